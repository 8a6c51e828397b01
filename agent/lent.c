/*
 * Closing what a client lent can take for ever. A FUSE server is told of every
 * close (FLUSH), not only the last, and need not answer; a pipe is locked while
 * another's write or splice into it waits for a page; a socket may linger. No
 * flag changes that, and the number alone does not show it. So the core, which
 * has one thread for everybody, never closes or reads these. A child does:
 *
 *   core --clone(CLONE_FILES)--> child --clone(CLONE_FILES)--> one for each, close, exit
 *    |   waits for the child only <-exit-+
 *
 * All share the core's table of descriptors, in which close(2) frees the number
 * first and waits then. They do not share its memory, and have no copy of the
 * secrets (secret.c keeps them from children). The first child is there so that
 * init reaps the others, which may wait for ever; they are bounded by what the
 * user's processes are.
 *
 * What is left: one that waits keeps the table, and with it our lock and
 * socket, if the agent is killed meanwhile. (An agent that leaves closes both
 * by their numbers.) They are free again when the wait ends, for FUSE at the
 * latest with its server.
 *
 * Descriptors that lie unread in a socket are closed with it, so such a socket
 * goes the same way. Terminals are closed by whoever has them: that waits at
 * most for output that a serial line still has to send.
 */

#include "lent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/log.h"
#include "protocol/cleanup.h"

#define STACK_SIZE (32 * 1024)

struct batch {
	const int *fds;
	size_t n_fds;
};

/* For the children, each of which has a copy of its own; the last one's is the second. */
static uint8_t stacks[2][STACK_SIZE] __attribute__((aligned(64)));

static int close_one(void *userdata) {
	const int *fd = userdata;

	(void) prctl(PR_SET_NAME, "cpub-closing"); /* For whoever wonders what waits there. */
	(void) close(*fd);
	_exit(0);
}

static int close_batch(void *userdata) {
	const struct batch *batch = userdata;

	for (size_t i = 0; i < batch->n_fds; i++) {
		int fd = batch->fds[i];

		if (clone(close_one, stacks[1] + STACK_SIZE, CLONE_FILES | SIGCHLD, &fd) < 0)
			_exit(1);
	}
	_exit(0);
}

static void close_all(const int *fds, size_t n_fds) {
	struct batch batch = {.fds = fds, .n_fds = n_fds};
	int status = 0;
	pid_t pid;

	if (n_fds == 0)
		return;
	pid = clone(close_batch, stacks[0] + STACK_SIZE, CLONE_FILES | SIGCHLD, &batch);
	while (pid >= 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0 || status != 0) /* Better one number less than nobody served. */
		log_warning("no process to close what a client lent, leaving it open");
}

/* The kind of file, without asking a FUSE server, which may take its time: it never changes. */
static int kind_of(int fd, mode_t *ret) {
	struct statx status;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) < 0)
		return -errno;
	*ret = status.stx_mode;
	return 0;
}

/* isatty alone would ask a FUSE server, too. */
static bool is_terminal(int fd, mode_t kind) {
	return S_ISCHR(kind) && isatty(fd);
}

int lent_close(int fd) {
	mode_t kind;

	if (fd < 0)
		return -1;
	if (kind_of(fd, &kind) == 0 && is_terminal(fd, kind))
		return fd_close(fd);
	close_all(&fd, 1);
	return -1;
}

/* Looks through all that lies unread; a peek stops where descriptors come with the bytes. */
static bool has_unread_descriptors(int fd, void *buffer, size_t size) {
	const int start = 0;
	bool has_some = false;

	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start)) < 0)
		return true;
	while (!has_some) {
		struct iovec iov = {buffer, size};
		struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

		if (recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
		has_some = (message.msg_flags & MSG_CTRUNC) != 0;
	}
	explicit_bzero(buffer, size);
	return has_some;
}

int lent_close_socket(int fd, void *buffer, size_t size) {
	/* From here on nothing more comes in. */
	(void) shutdown(fd, SHUT_RD);
	if (has_unread_descriptors(fd, buffer, size))
		return lent_close(fd);
	return fd_close(fd);
}

/* Keeps the descriptor if it has a place. 0, or a negative errno: it is still the caller's. */
static int keep(int fd, int *terminal, int *pipe, int *file) {
	mode_t kind;
	int flags, r;

	r = kind_of(fd, &kind);
	if (r < 0)
		return r;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if (is_terminal(fd, kind)) {
		if (*terminal >= 0 || (flags & O_ACCMODE) != O_RDWR)
			return -EBADF;
		*terminal = fd;
		return 0;
	}
	if (S_ISFIFO(kind)) {
		if (*pipe >= 0 || (flags & O_ACCMODE) != O_RDONLY)
			return -EBADF;
		*pipe = fd;
		return 0;
	}
	if (S_ISREG(kind)) {
		if (*file >= 0 || (flags & (O_ACCMODE | O_PATH)) != O_RDONLY)
			return -EBADF;
		*file = fd;
		return 0;
	}
	return -EBADF;
}

int lent_take(
	struct msghdr *message, int *terminal, int *pipe, int *file, size_t *ret_n) {
	int result = (message->msg_flags & MSG_CTRUNC) != 0 ? -EBADF : 0;
	int refused[LENT_MAX];
	size_t n = 0, n_refused = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < size / sizeof(int); i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (keep(fd, terminal, pipe, file) < 0)
				refused[n_refused++] = fd;
		}
	}
	close_all(refused, n_refused);
	*ret_n = n;
	return n_refused > 0 ? -EBADF : result;
}
