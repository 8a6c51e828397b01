#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

#include "protocol/cleanup.h"
#include "protocol/names.h"

/* The longest secret, and a line end of two bytes. */
#define STREAM_MAX ((size_t) TOKEN_MAX + 2)
/* What every user may have: 256 pieces, since each splice takes one place in a pipe. */
#define PIPE_SIZE (1024 * 1024)

static int wait_for_input(void) {
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&input, 1, -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Moves one piece: the number of bytes, 0 at the end, or a negative errno. */
static ssize_t move_piece(int to, size_t size) {
	for (;;) {
		ssize_t n;
		int r = wait_for_input();

		if (r < 0)
			return r;
		/* There is input, so "again" means that the pipe has no place left. */
		n = splice(STDIN_FILENO, NULL, to, NULL, size, SPLICE_F_NONBLOCK);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return errno == EAGAIN ? -ENOBUFS : -errno;
	}
}

int pipe_from_stdin(int *ret) {
	_cleanup_(fd_closep) int reader = -1, writer = -1;
	size_t moved = 0;
	int ends[2];

	if (isatty(STDIN_FILENO))
		return -ENOTTY;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	reader = ends[0];
	writer = ends[1];
	/* Refused when the user's pipes together hold too much: then fewer pieces fit. */
	(void) fcntl(writer, F_SETPIPE_SZ, PIPE_SIZE);
	while (moved < STREAM_MAX) {
		ssize_t n = move_piece(writer, STREAM_MAX - moved);

		if (n < 0)
			return (int) n;
		if (n == 0)
			break;
		moved += (size_t) n;
	}
	if (moved == 0)
		return -ENODATA;
	*ret = TAKE_FD(reader);
	return 0;
}

const char *pipe_advice(int error) {
	switch (error) {
	case -ENOTTY:
		return "standard input is a terminal, where a secret would be seen; leave the "
		       "option "
		       "out to be asked, or send the secret through a pipe";
	case -ENODATA:
		return "standard input is empty; send the secret as its first line";
	case -ENOBUFS:
		return "standard input came in too many small pieces; send the secret in one";
	case -EINVAL:
	case -EBADF:
		return "standard input is closed or of a kind that cannot be passed on; send the "
		       "secret through a pipe or from a file";
	default:
		return "standard input could not be passed on to the agent";
	}
}
