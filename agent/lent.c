#include "lent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/cleanup.h"

/* Takes the descriptor over: keeps it if it has a place, closes it if not. */
static int keep(int taken, int *terminal, int *pipe) {
	static const struct linger no_linger = {0};
	_cleanup_(fd_closep) int fd = taken;
	struct statx status;
	int flags;

	/* Without asking a FUSE server, which may take its time: the kind never changes. */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) < 0)
		return -errno;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if (S_ISCHR(status.stx_mode) && isatty(fd)) {
		if (*terminal >= 0 || (flags & O_ACCMODE) != O_RDWR)
			return -EBADF;
		*terminal = TAKE_FD(fd);
		return 0;
	}
	if (S_ISFIFO(status.stx_mode)) {
		if (*pipe >= 0 || (flags & O_ACCMODE) != O_RDONLY)
			return -EBADF;
		*pipe = TAKE_FD(fd);
		return 0;
	}
	/* A socket that lingers would have our close() wait for its peer. Others say ENOTSOCK. */
	(void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_linger, sizeof(no_linger));
	/* No kind of request takes a file yet. */
	return -EBADF;
}

int lent_take(struct msghdr *message, int *terminal, int *pipe, size_t *ret_n) {
	int result = (message->msg_flags & MSG_CTRUNC) != 0 ? -EBADF : 0;
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < size / sizeof(int); i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (keep(fd, terminal, pipe) < 0)
				result = -EBADF;
		}
	}
	*ret_n = n;
	return result;
}
