#include "frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/secret.h"

/* Room for the descriptors of one frame, aligned as CMSG_DATA needs it. */
union frame_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
};

static bool frame_type_is_known(uint8_t type) {
	return type == FRAME_READY || type == FRAME_TASK || type == FRAME_PROGRESS ||
	       type == FRAME_ANSWER || type == FRAME_DONE;
}

static void frame_close_fds(const int *fds, size_t n_fds) {
	for (size_t i = 0; i < n_fds; i++)
		(void) fd_close(fds[i]);
}

/*
 * Takes the descriptors that came. Those that had no room in the control buffer
 * were closed by the kernel, which says so with MSG_CTRUNC.
 */
static size_t frame_take_fds(struct msghdr *message, int fds[FRAME_FDS_MAX]) {
	size_t n_fds = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;

		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n_fds < FRAME_FDS_MAX)
				fds[n_fds++] = fd;
			else
				(void) fd_close(fd);
		}
	}
	return n_fds;
}

/* How many bytes the next frame has, 0 at the end of the stream; leaves it in the queue. */
static ssize_t frame_peek_size(int socket) {
	char nothing;
	ssize_t n;

	do
		n = recv(socket, &nothing, sizeof(nothing), MSG_PEEK | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t frame_receive_message(int socket, struct msghdr *message) {
	ssize_t n;

	do
		n = recvmsg(socket, message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int frame_send(int socket, enum frame_type type, const struct fields *fields, const int *fds,
	size_t n_fds) {
	uint8_t type_byte = (uint8_t) type;
	struct iovec parts[2] = {{.iov_base = &type_byte, .iov_len = 1}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
	union frame_control control = {0};

	if (n_fds > FRAME_FDS_MAX)
		return -EINVAL;
	if (fields && fields_size(fields) > 0) {
		/* sendmsg only reads it, but struct iovec serves both directions. */
		parts[1].iov_base = (void *) (uintptr_t) fields_bytes(fields);
		parts[1].iov_len = fields_size(fields);
		message.msg_iovlen = 2;
	}
	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);

		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}

	/* A packet goes whole or not at all. */
	ssize_t n;
	do
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Turns one received message into fields; the descriptors are the caller's. */
static int frame_parse(const struct msghdr *message, uint8_t type, const struct secret *body,
	size_t body_size, struct fields **ret) {
	if (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	if (!frame_type_is_known(type))
		return -EBADMSG;
	return fields_parse(body_size > 0 ? secret_peek(body) : NULL, body_size, ret);
}

int frame_receive(int socket, enum frame_type *ret_type, struct fields **ret_fields,
	int ret_fds[FRAME_FDS_MAX], size_t *ret_n_fds) {
	/*
	 * The size is looked at first, so that a short frame costs little locked memory.
	 * An empty packet cannot be told from the end of the stream; neither is a frame.
	 */
	ssize_t size = frame_peek_size(socket);
	if (size <= 0)
		return (int) size;
	if (size > 1 + FIELDS_MAX)
		size = 1 + FIELDS_MAX; /* recvmsg cuts it and sets MSG_TRUNC. */

	_cleanup_(secret_freep) struct secret *body = NULL;
	if (size > 1) {
		int r = secret_new((size_t) size - 1, &body);
		if (r < 0)
			return r;
	}

	uint8_t type = 0;
	union frame_control control = {0};
	struct iovec parts[2] = {
		{.iov_base = &type, .iov_len = 1},
		{.iov_base = body ? secret_bytes(body) : NULL, .iov_len = (size_t) size - 1},
	};
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = body ? 2 : 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = frame_receive_message(socket, &message);
	if (n <= 0)
		return (int) n;

	int fds[FRAME_FDS_MAX];
	size_t n_fds = frame_take_fds(&message, fds);
	struct fields *fields;
	int r = frame_parse(&message, type, body, (size_t) n - 1, &fields);
	if (r < 0) {
		frame_close_fds(fds, n_fds);
		return r == -E2BIG ? -EBADMSG : r;
	}

	*ret_type = (enum frame_type) type;
	*ret_fields = fields;
	if (n_fds > 0)
		memcpy(ret_fds, fds, sizeof(int) * n_fds);
	*ret_n_fds = n_fds;
	return 1;
}
