#include "parked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/lent.h"

struct parked {
	int in;
	int ticket; /* in its queue it lies */
};

union parked_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int parked_send(int socket, int fd) {
	union parked_control control = {0};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int parked_new(int fd, struct parked **ret) {
	struct parked *parked = calloc(1, sizeof(*parked));
	int pair[2], r = -ENOMEM;

	if (parked) {
		parked->in = parked->ticket = -1;
		r = socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
	}
	if (r == 0) {
		parked->in = pair[0];
		parked->ticket = pair[1];
		r = parked_send(parked->in, fd);
	}
	(void) lent_close(fd);
	if (r < 0) {
		parked_free(parked);
		return r;
	}
	*ret = parked;
	return 0;
}

struct parked *parked_free(struct parked *parked) {
	if (!parked)
		return NULL;
	/* A pipe that another holds locked can be waited for even so. */
	(void) lent_close(parked->ticket);
	(void) fd_close(parked->in);
	free(parked);
	return NULL;
}

int parked_ticket(const struct parked *parked) {
	return parked->ticket;
}

int parked_peek(int ticket, int *ret) {
	union parked_control control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c;

	if (recvmsg(ticket, &message, MSG_PEEK | MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&message);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -EBADF;
	memcpy(ret, CMSG_DATA(c), sizeof(int));
	return 0;
}
