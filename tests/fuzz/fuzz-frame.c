/*
 * What may lie on a worker's socket. The first byte says how many descriptors
 * go along and how the packet is bent, all others are the packet:
 *
 *   bits 0-2: this many descriptors (0 to 7)
 *   bit 3: zeros behind it, up to one byte more than a frame may have
 *   bit 4: the same packet twice
 *
 * A frame is taken exactly if its type is known, its fields parse, it is no
 * longer than a frame may be and has no more descriptors; then it is what was
 * sent, and sent on it arrives again. No descriptor stays open.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "agent/work/frame.h"
#include "protocol/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define SENT_FDS_MAX 7u
#define IS_LONG 0x08u
#define IS_TWICE 0x10u

struct packet {
	const uint8_t *bytes;
	size_t size;
	size_t n_fds;
};

static void packet_send(const struct packet *packet, int socket) {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * SENT_FDS_MAX)];
	} control = {0};
	struct iovec part = {
		.iov_base = (void *) (uintptr_t) packet->bytes, .iov_len = packet->size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (packet->n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * packet->n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * packet->n_fds);
		for (size_t i = 0; i < packet->n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &socket, sizeof(int));
	}
	check(sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t) packet->size);
}

static bool packet_is_frame(const struct packet *packet) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	if (packet->n_fds > FRAME_FDS_MAX || packet->size > 1 + FIELDS_MAX)
		return false;
	if (!memchr("rtpad", packet->bytes[0], 5))
		return false;
	return fields_parse(packet->bytes + 1, packet->size - 1, &fields) == 0;
}

static void check_fds(const int *fds, size_t n_fds) {
	for (size_t i = 0; i < n_fds; i++) {
		check(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
		check(close(fds[i]) == 0);
	}
}

/* Receives one, and sends it on over the same pair if `theirs` is a descriptor. */
static void receive(const struct packet *packet, int ours, int theirs) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	enum frame_type type = (enum frame_type) 0;
	int fds[FRAME_FDS_MAX];
	size_t n_fds = 77;

	int r = frame_receive(ours, &type, &fields, fds, &n_fds);
	if (!packet_is_frame(packet)) {
		check(r == -EBADMSG && !fields && type == 0 && n_fds == 77);
		return;
	}
	check(r == 1 && type == packet->bytes[0] && n_fds == packet->n_fds);
	check(fields_size(fields) == packet->size - 1);
	check(packet->size == 1 ||
		memcmp(fields_bytes(fields), packet->bytes + 1, packet->size - 1) == 0);
	if (theirs >= 0) {
		check(frame_send(theirs, type, fields, fds, n_fds) == 0);
		receive(packet, ours, -1);
	}
	check_fds(fds, n_fds);
}

static void try_packet(const struct packet *packet, bool is_twice) {
	enum frame_type type;
	struct fields *fields;
	int pair[2], fds[FRAME_FDS_MAX];
	size_t n_fds;

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	check(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
	check(frame_receive(pair[0], &type, &fields, fds, &n_fds) == -EAGAIN);
	packet_send(packet, pair[1]);
	if (packet->size == 0) {
		/* Like the end of the stream: the caller closes. */
		check(frame_receive(pair[0], &type, &fields, fds, &n_fds) == 0);
	} else {
		if (is_twice)
			packet_send(packet, pair[1]);
		receive(packet, pair[0], is_twice ? -1 : pair[1]);
		if (is_twice)
			receive(packet, pair[0], pair[1]);
		check(close(pair[1]) == 0);
		pair[1] = -1;
		check(frame_receive(pair[0], &type, &fields, fds, &n_fds) == 0);
	}
	(void) fd_close(pair[1]);
	check(close(pair[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static uint8_t longest[1 + FIELDS_MAX + 1];
	int next = next_descriptor();

	if (size == 0)
		return 0;
	struct packet packet = {bytes + 1, size - 1, bytes[0] & SENT_FDS_MAX};
	if (bytes[0] & IS_LONG && packet.size <= sizeof(longest)) {
		memset(longest, 0, sizeof(longest));
		memcpy(longest, packet.bytes, packet.size);
		packet.bytes = longest;
		packet.size = sizeof(longest);
	}
	try_packet(&packet, (bytes[0] & IS_TWICE) && !(bytes[0] & IS_LONG));
	check(next_descriptor() == next);
	return 0;
}
