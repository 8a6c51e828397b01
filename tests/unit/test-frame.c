#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/work/frame.h"

/* One end for the code under test, one for the other side. */
struct pair {
	int ours, theirs;
};

static int pair_up(void **state) {
	static struct pair pair;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	pair = (struct pair){.ours = fds[0], .theirs = fds[1]};
	*state = &pair;
	return 0;
}

static int pair_down(void **state) {
	struct pair *pair = *state;

	pair->ours = fd_close(pair->ours);
	pair->theirs = fd_close(pair->theirs);
	return 0;
}

/* Sends raw bytes with raw descriptors, as a broken peer would. */
static void send_raw(int socket, const void *bytes, size_t size, const int *fds, size_t n_fds) {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
	} control = {0};
	struct iovec part = {.iov_base = (void *) (uintptr_t) bytes, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(socket, &message, MSG_NOSIGNAL), (int) size);
}

/* Receives what must be refused. */
static int receive_refused(int socket) {
	struct fields *fields = NULL;
	enum frame_type type = (enum frame_type) 0;
	int fds[FRAME_FDS_MAX];
	size_t n_fds = 77;

	int r = frame_receive(socket, &type, &fields, fds, &n_fds);
	assert_null(fields);
	assert_int_equal(n_fds, 77);
	assert_int_equal(type, 0);
	return r;
}

static size_t count_open_fds(void) {
	size_t n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_frame_arrives_whole(void **state) {
	struct pair *pair = *state;
	_cleanup_(fields_freep) struct fields *sent = NULL;
	_cleanup_(fields_freep) struct fields *received = NULL;
	enum frame_type type;
	int fds[FRAME_FDS_MAX];
	size_t n_fds;

	assert_int_equal(fields_new(&sent), 0);
	assert_int_equal(fields_put_string(sent, FIELD_URL, "https://example.com"), 0);
	assert_int_equal(fields_put_u64(sent, FIELD_TIMEOUT_MSEC, 5), 0);
	assert_int_equal(frame_send(pair->theirs, FRAME_TASK, sent, NULL, 0), 0);
	assert_int_equal(frame_receive(pair->ours, &type, &received, fds, &n_fds), 1);
	assert_int_equal(type, FRAME_TASK);
	assert_int_equal(n_fds, 0);
	assert_int_equal(fields_size(received), fields_size(sent));
	assert_memory_equal(fields_bytes(received), fields_bytes(sent), fields_size(sent));
}

static void test_frame_may_have_no_fields(void **state) {
	struct pair *pair = *state;
	_cleanup_(fields_freep) struct fields *received = NULL;
	enum frame_type type;
	int fds[FRAME_FDS_MAX];
	size_t n_fds;

	assert_int_equal(frame_send(pair->theirs, FRAME_READY, NULL, NULL, 0), 0);
	assert_int_equal(frame_receive(pair->ours, &type, &received, fds, &n_fds), 1);
	assert_int_equal(type, FRAME_READY);
	assert_int_equal(fields_size(received), 0);
}

static void test_frames_keep_their_borders(void **state) {
	struct pair *pair = *state;
	static const enum frame_type types[] = {
		FRAME_READY, FRAME_PROGRESS, FRAME_ANSWER, FRAME_DONE};

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(frame_send(pair->theirs, types[i], NULL, NULL, 0), 0);
	for (size_t i = 0; i < 4; i++) {
		_cleanup_(fields_freep) struct fields *received = NULL;
		enum frame_type type;
		int fds[FRAME_FDS_MAX];
		size_t n_fds;

		assert_int_equal(frame_receive(pair->ours, &type, &received, fds, &n_fds), 1);
		assert_int_equal(type, types[i]);
	}
}

static void test_frame_of_the_largest_size_arrives(void **state) {
	struct pair *pair = *state;
	static uint8_t value[FIELDS_MAX - 5];
	_cleanup_(fields_freep) struct fields *sent = NULL;
	_cleanup_(fields_freep) struct fields *received = NULL;
	enum frame_type type;
	int fds[FRAME_FDS_MAX];
	size_t n_fds;

	memset(value, 'v', sizeof(value));
	assert_int_equal(fields_new(&sent), 0);
	assert_int_equal(fields_put(sent, 1, value, sizeof(value)), 0);
	assert_int_equal(frame_send(pair->theirs, FRAME_TASK, sent, NULL, 0), 0);
	assert_int_equal(frame_receive(pair->ours, &type, &received, fds, &n_fds), 1);
	assert_int_equal(fields_size(received), FIELDS_MAX);
	assert_memory_equal(fields_bytes(received), fields_bytes(sent), FIELDS_MAX);
}

static void test_frame_rejects_size_over_limit(void **state) {
	struct pair *pair = *state;
	static uint8_t bytes[1 + FIELDS_MAX + 1];

	/* A whole frame of the largest size and one byte: cut, it would look good. */
	uint32_t size = FIELDS_MAX - 5;
	bytes[0] = FRAME_TASK;
	bytes[1] = 1;
	for (int i = 0; i < 4; i++)
		bytes[2 + i] = (uint8_t) (size >> (8 * i));
	send_raw(pair->theirs, bytes, sizeof(bytes), NULL, 0);
	assert_int_equal(receive_refused(pair->ours), -EBADMSG);
}

static void test_frame_rejects_every_cut(void **state) {
	struct pair *pair = *state;
	static const uint8_t whole[] = {FRAME_TASK, 1, 2, 0, 0, 0, 'a', 'b', 2, 1, 0, 0, 0, 'c'};

	for (size_t size = 2; size < sizeof(whole); size++) {
		if (size == 8)
			continue; /* The first field alone is a whole frame. */
		send_raw(pair->theirs, whole, size, NULL, 0);
		assert_int_equal(receive_refused(pair->ours), -EBADMSG);
	}
}

static void test_frame_rejects_a_tag_twice(void **state) {
	struct pair *pair = *state;
	static const uint8_t bytes[] = {FRAME_TASK, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0};

	send_raw(pair->theirs, bytes, sizeof(bytes), NULL, 0);
	assert_int_equal(receive_refused(pair->ours), -EBADMSG);
}

static void test_frame_rejects_unknown_types(void **state) {
	struct pair *pair = *state;
	static const uint8_t types[] = {0, 'R', 'x', 255};

	for (size_t i = 0; i < sizeof(types); i++) {
		send_raw(pair->theirs, &types[i], 1, NULL, 0);
		assert_int_equal(receive_refused(pair->ours), -EBADMSG);
	}
}

static void test_frame_tells_the_end_of_the_stream(void **state) {
	struct pair *pair = *state;

	pair->theirs = fd_close(pair->theirs);
	assert_int_equal(receive_refused(pair->ours), 0);
}

static void test_frame_tells_that_nothing_is_there_yet(void **state) {
	struct pair *pair = *state;

	assert_int_equal(fcntl(pair->ours, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(receive_refused(pair->ours), -EAGAIN);
}

static void test_frame_send_to_nobody_is_an_error(void **state) {
	struct pair *pair = *state;

	pair->theirs = fd_close(pair->theirs);
	assert_int_equal(frame_send(pair->ours, FRAME_READY, NULL, NULL, 0), -EPIPE);
}

static void test_frame_descriptors_arrive_close_on_exec(void **state) {
	struct pair *pair = *state;
	_cleanup_(fields_freep) struct fields *received = NULL;
	enum frame_type type;
	int sent[FRAME_FDS_MAX], fds[FRAME_FDS_MAX];
	size_t n_fds;
	char letter;

	assert_int_equal(pipe(sent), 0);
	assert_int_equal(frame_send(pair->theirs, FRAME_TASK, NULL, sent, 2), 0);
	assert_int_equal(frame_receive(pair->ours, &type, &received, fds, &n_fds), 1);
	assert_int_equal(n_fds, 2);
	for (size_t i = 0; i < n_fds; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);

	/* They are those that were sent, in their order. */
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(sent[0], &letter, 1), 1);
	assert_int_equal(letter, 'x');
	for (size_t i = 0; i < 2; i++) {
		(void) fd_close(fds[i]);
		(void) fd_close(sent[i]);
	}
}

static void test_frame_closes_and_rejects_too_many_descriptors(void **state) {
	struct pair *pair = *state;
	static const uint8_t type = FRAME_TASK;
	int sent[FRAME_FDS_MAX + 1];

	for (size_t i = 0; i < FRAME_FDS_MAX + 1; i++)
		assert_true((sent[i] = dup(STDERR_FILENO)) >= 0);
	size_t n_before = count_open_fds();
	send_raw(pair->theirs, &type, 1, sent, FRAME_FDS_MAX + 1);
	assert_int_equal(receive_refused(pair->ours), -EBADMSG);
	assert_int_equal(count_open_fds(), n_before);
	for (size_t i = 0; i < FRAME_FDS_MAX + 1; i++)
		(void) fd_close(sent[i]);
}

static void test_frame_closes_descriptors_of_a_malformed_one(void **state) {
	struct pair *pair = *state;
	static const uint8_t bytes[] = {FRAME_TASK, 1};
	int sent = STDERR_FILENO;

	size_t n_before = count_open_fds();
	send_raw(pair->theirs, bytes, sizeof(bytes), &sent, 1);
	assert_int_equal(receive_refused(pair->ours), -EBADMSG);
	assert_int_equal(count_open_fds(), n_before);
}

static void test_frame_sends_no_more_descriptors_than_it_receives(void **state) {
	struct pair *pair = *state;
	static const int sent[FRAME_FDS_MAX + 1];

	assert_int_equal(
		frame_send(pair->ours, FRAME_TASK, NULL, sent, FRAME_FDS_MAX + 1), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_up, pair_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_frame_arrives_whole),
		TEST(test_frame_may_have_no_fields),
		TEST(test_frames_keep_their_borders),
		TEST(test_frame_of_the_largest_size_arrives),
		TEST(test_frame_rejects_size_over_limit),
		TEST(test_frame_rejects_every_cut),
		TEST(test_frame_rejects_a_tag_twice),
		TEST(test_frame_rejects_unknown_types),
		TEST(test_frame_tells_the_end_of_the_stream),
		TEST(test_frame_tells_that_nothing_is_there_yet),
		TEST(test_frame_send_to_nobody_is_an_error),
		TEST(test_frame_descriptors_arrive_close_on_exec),
		TEST(test_frame_closes_and_rejects_too_many_descriptors),
		TEST(test_frame_closes_descriptors_of_a_malformed_one),
		TEST(test_frame_sends_no_more_descriptors_than_it_receives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
