#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/start.h"
#include "protocol/cleanup.h"
#include "protocol/endpoint.h"

#define GREETING_USEC (2 * CALL_USEC_PER_SEC)
#define GREETING_MAX 256
/* The one version of the protocol that we speak. */
#define VERSION 1
/* First size of an answer on the heap. */
#define HEAP_FIRST 4096

static uint64_t now_usec(void) {
	struct timespec now;
	(void) clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail with this clock. */
	return (uint64_t) now.tv_sec * CALL_USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

uint64_t call_deadline(uint64_t usec) {
	return now_usec() + usec;
}

int call_poll(struct pollfd *fds, nfds_t n_fds, uint64_t deadline_usec) {
	for (;;) {
		uint64_t now = now_usec();
		uint64_t left = deadline_usec > now ? deadline_usec - now : 0;
		const struct timespec timeout = {
			.tv_sec = (time_t) (left / CALL_USEC_PER_SEC),
			.tv_nsec = (long) (left % CALL_USEC_PER_SEC) * 1000,
		};

		int r = ppoll(fds, n_fds, &timeout, NULL);
		if (r > 0)
			return r;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

bool call_was_left(int error) {
	return error == -EPIPE || error == -ECONNRESET;
}

/*
 * What lies unread on the connection: 1 if something does, 0 if nothing,
 * -EPIPE after the end, or another negative errno.
 */
static int call_peek(const struct call *call) {
	char byte;
	ssize_t n;

	do
		n = recv(call->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n == 0 ? -EPIPE : 1;
}

int call_wait(struct call *call, int watched_fd, uint64_t deadline_usec) {
	for (;;) {
		/* No events asked: the kernel tells a lost reader, POLLERR, unasked. */
		struct pollfd fds[] = {
			{.fd = call->fd, .events = POLLIN},
			{.fd = watched_fd},
		};
		int r = call_poll(fds, 2, deadline_usec);
		if (r < 0)
			return r;
		if (fds[1].revents != 0)
			return -ECANCELED;

		r = call_peek(call);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

static int buffer_make_room(struct call_buffer *buffer) {
	if (buffer->size < buffer->capacity)
		return 0;
	if (buffer->capacity >= buffer->limit)
		return -EMSGSIZE;

	size_t capacity = buffer->capacity > 0 ? buffer->capacity * 2 : HEAP_FIRST;
	if (capacity > buffer->limit)
		capacity = buffer->limit;
	char *bytes = realloc(buffer->bytes, capacity);
	if (!bytes)
		return -ENOMEM;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return 0;
}

/*
 * Takes what is there, but nothing behind a newline: peeks first, so that the
 * next line stays in the socket and no second buffer is needed. Returns 1 when
 * the line is whole, 0 if more must come, or a negative errno.
 */
static int call_take(struct call *call, struct call_buffer *buffer) {
	int r = buffer_make_room(buffer);
	if (r < 0)
		return r;

	char *room = buffer->bytes + buffer->size;
	ssize_t n = recv(call->fd, room, buffer->capacity - buffer->size, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;

	const char *newline = memchr(room, '\n', (size_t) n);
	size_t wanted = newline ? (size_t) (newline - room) + 1 : (size_t) n;
	ssize_t taken = recv(call->fd, room, wanted, MSG_DONTWAIT);
	if (taken < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;

	/* The peek left a copy of what follows the line, which is not ours to keep. */
	explicit_bzero(room + taken, (size_t) n - (size_t) taken);
	buffer->size += (size_t) taken;
	return newline && (size_t) taken == wanted;
}

int call_receive(
	struct call *call, int watched_fd, uint64_t deadline_usec, struct call_buffer *buffer) {
	buffer->size = 0;
	for (;;) {
		int r = call_wait(call, watched_fd, deadline_usec);
		if (r == 0)
			r = call_take(call, buffer);
		if (r > 0)
			return 0;
		if (r < 0)
			return call_was_left(r) && buffer->size > 0 ? -EBADMSG : r;
	}
}

/* sendmsg with descriptors: the kernel ties them to the first byte that it takes. */
static ssize_t call_send_some(
	const struct call *call, const char *bytes, size_t size, const int *fds, size_t n_fds) {
	struct iovec piece = {.iov_base = (char *) (uintptr_t) bytes, .iov_len = size};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * CALL_FDS_MAX)];
	} control = {0};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	if (n_fds > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * n_fds);
	}
	ssize_t n = sendmsg(call->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

int call_send(struct call *call, const char *line, size_t size, const int *fds, size_t n_fds,
	uint64_t deadline_usec) {
	if (n_fds > CALL_FDS_MAX)
		return -EINVAL;

	/* An answer before its question would be taken for the answer to this one. */
	int r = call_peek(call);
	if (r != 0)
		return r < 0 ? r : -EPROTO;

	for (size_t sent = 0; sent < size;) {
		struct pollfd fd = {.fd = call->fd, .events = POLLOUT};
		r = call_poll(&fd, 1, deadline_usec);
		if (r < 0)
			return r;

		ssize_t n =
			call_send_some(call, line + sent, size - sent, fds, sent == 0 ? n_fds : 0);
		if (n > 0)
			sent += (size_t) n;
		else if (n != -EAGAIN && n != -EINTR)
			return (int) n;
	}
	return 0;
}

/*
 * Whether the line is `{"v":[…]…}` with our version in the list. It comes from
 * a program of our own user, so this only has to keep a wrong one out.
 */
static bool greeting_has_version(const char *line) {
	static const char start[] = "{\"v\":[";
	if (strncmp(line, start, strlen(start)) != 0)
		return false;

	for (const char *number = line + strlen(start);;) {
		char *end;
		unsigned long version = strtoul(number, &end, 10);
		if (end == number)
			return false;
		if (version == VERSION)
			return true;
		if (*end != ',')
			return false;
		number = end + 1;
	}
}

/* Whether the line is the refusal with which an agent that has no place turns a client away. */
static bool greeting_is_busy(const char *line) {
	static const char start[] = "{\"Err\":{";
	return strncmp(line, start, strlen(start)) == 0 && strstr(line, "\"code\":\"busy\"");
}

static int call_take_greeting(struct call *call) {
	char line[GREETING_MAX + 1];
	struct call_buffer buffer = {
		.bytes = line, .capacity = GREETING_MAX, .limit = GREETING_MAX};

	int r = call_receive(call, -1, call_deadline(GREETING_USEC), &buffer);
	if (r == -EBADMSG)
		return -EPIPE; /* It left in the middle of the greeting: nothing was asked yet. */
	if (r == -EMSGSIZE)
		return -EPROTO;
	if (r < 0)
		return r;
	line[buffer.size] = '\0';
	if (greeting_is_busy(line))
		return -EBUSY;
	return greeting_has_version(line) ? 0 : -EPROTO;
}

/* Connects, starting the agent where that is wanted and nobody listens. */
static int call_connect(
	const struct endpoint *endpoint, bool may_start, int *ret, const char **ret_detail) {
	int r = endpoint_connect(endpoint, ret);
	if (r != -ENOENT && r != -ECONNREFUSED)
		return r;
	if (!may_start || endpoint->is_given)
		return r;

	int started = start_agent();
	/* After a failure too: another client's agent may be there, or ours may just be slow. */
	r = endpoint_connect(endpoint, ret);
	if (r < 0 && started < 0)
		*ret_detail = start_advice(started);
	return r;
}

static int call_try(const struct endpoint *endpoint, bool may_start, struct call *ret,
	const char **ret_detail) {
	_cleanup_(fd_closep) int fd = -1;
	int r = call_connect(endpoint, may_start, &fd, ret_detail);
	if (r < 0)
		return r;

	struct call call = {.fd = fd};
	r = call_take_greeting(&call);
	if (r < 0)
		return r;
	ret->fd = TAKE_FD(fd);
	return 0;
}

static const char *call_advice(int error) {
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "nobody listens on the agent's socket";
	case -EPIPE:
	case -ECONNRESET:
		return "the agent closed the connection at once";
	case -ETIMEDOUT:
		return "the agent does not take connections or does not greet";
	case -EPROTO:
		return "what listens on the agent's socket does not speak version 1 "
		       "of its protocol";
	case -EACCES:
		return "you may not write to the agent's socket";
	default:
		return "connecting to the agent's socket failed";
	}
}

static enum refusal call_refusal_of_directory(int error) {
	switch (error) {
	case -EPERM:
	case -EACCES:
	case -ELOOP:
	case -ENOTDIR:
		return REFUSAL_SOCKET_UNSAFE;
	case -ENOMEM:
		return REFUSAL_NO_MEMORY;
	default:
		return REFUSAL_AGENT_UNREACHABLE;
	}
}

enum refusal call_open(
	struct endpoint *endpoint, bool may_start, struct call *ret, const char **ret_detail) {
	const char *detail = NULL;

	int r = endpoint_open(endpoint, may_start && !endpoint->is_given);
	if (r < 0) {
		*ret_detail = endpoint_advice(r);
		return call_refusal_of_directory(r);
	}

	r = call_try(endpoint, may_start, ret, &detail);
	/* It was just going, so the second try finds it gone, or a new one. */
	if (call_was_left(r))
		r = call_try(endpoint, may_start, ret, &detail);
	if (r == 0)
		return REFUSAL_NONE;

	if (r == -EBUSY)
		return REFUSAL_BUSY;
	*ret_detail = detail ? detail : r == -EPERM ? NULL : call_advice(r);
	return r == -EPERM ? REFUSAL_AGENT_FOREIGN : REFUSAL_AGENT_UNREACHABLE;
}

void call_close(struct call *call) {
	call->fd = fd_close(call->fd);
}
