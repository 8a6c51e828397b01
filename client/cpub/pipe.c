#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "client/call.h"
#include "protocol/cleanup.h"
#include "protocol/names.h"

/* The longest secret, and a line end of two bytes. */
#define STREAM_MAX ((size_t) TOKEN_MAX + 2)
/* What every user may have: 256 pieces, since each splice takes one place in a pipe. */
#define PIPE_SIZE (1024 * 1024)

/* The events that came, or a negative errno. */
static int wait_for_input(uint64_t deadline_usec) {
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	int r = call_poll(&input, 1, deadline_usec);

	return r < 0 ? r : input.revents;
}

/* Whether standard input is a pipe that the agent takes as it is. */
static bool stdin_is_pipe(void) {
	struct stat status;
	int flags = fcntl(STDIN_FILENO, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY &&
	       fstat(STDIN_FILENO, &status) == 0 && S_ISFIFO(status.st_mode);
}

static int lend_stdin(uint64_t deadline_usec, int *ret) {
	int events = wait_for_input(deadline_usec);
	int fd;

	if (events < 0)
		return events;
	if (!(events & POLLIN))
		return -ENODATA; /* All writers have gone, and left nothing. */
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Moves one piece: the number of bytes, 0 at the end, or a negative errno. */
static ssize_t move_piece(int to, size_t size, uint64_t deadline_usec) {
	for (;;) {
		ssize_t n;
		int r = wait_for_input(deadline_usec);

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

/* Up to the end, or to `size_max` bytes. */
static int move_stdin(size_t size_max, uint64_t deadline_usec, size_t *ret_size, int *ret) {
	_cleanup_(fd_closep) int reader = -1, writer = -1;
	size_t moved = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	reader = ends[0];
	writer = ends[1];
	/* Refused when the user's pipes together hold too much: then fewer pieces fit. */
	(void) fcntl(writer, F_SETPIPE_SZ, PIPE_SIZE);
	while (moved < size_max) {
		ssize_t n = move_piece(writer, size_max - moved, deadline_usec);

		if (n < 0)
			return (int) n;
		if (n == 0)
			break;
		moved += (size_t) n;
	}
	if (moved == 0)
		return -ENODATA;
	*ret_size = moved;
	*ret = TAKE_FD(reader);
	return 0;
}

int pipe_from_stdin(uint64_t timeout_usec, int *ret) {
	uint64_t deadline_usec = call_deadline(timeout_usec);
	size_t size;

	if (isatty(STDIN_FILENO))
		return -ENOTTY;
	return stdin_is_pipe() ? lend_stdin(deadline_usec, ret)
			       : move_stdin(STREAM_MAX, deadline_usec, &size, ret);
}

int pipe_whole_stdin(uint64_t timeout_usec, int *ret) {
	_cleanup_(fd_closep) int fd = -1;
	size_t size;
	int r;

	if (isatty(STDIN_FILENO))
		return -ENOTTY;
	/* One more than there may be, so that what is cut is not taken for a key. */
	r = move_stdin(KEY_TEXT_MAX + 1, call_deadline(timeout_usec), &size, &fd);
	if (r < 0)
		return r;
	if (size > KEY_TEXT_MAX)
		return -EMSGSIZE;
	*ret = TAKE_FD(fd);
	return 0;
}

const char *pipe_advice(int error) {
	switch (error) {
	case -ENOTTY:
		return "standard input is a terminal, where a secret would be seen; leave the "
		       "option "
		       "out to be asked, or send the secret through a pipe";
	case -ETIMEDOUT:
		return "the secret did not come on standard input in time; send it, and end the "
		       "input, or wait longer with `--timeout SECONDS`";
	case -ENODATA:
		return "standard input is empty; send the secret on it";
	case -EMSGSIZE:
		return "standard input has more than 4096 bytes, which no key has; send the key "
		       "alone";
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
