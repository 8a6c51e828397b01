#pragma once

/*
 * Descriptors that a client lends by SCM_RIGHTS: sorted by what they are, and
 * given up without ever waiting for whoever stands behind them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* As many as the kernel sends at once (SCM_MAX_FD), so that it never drops any for us. */
#define LENT_MAX 253

union lent_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(LENT_MAX * sizeof(int))];
};

/*
 * Takes all descriptors out of the message: a terminal goes to *terminal, a
 * pipe's read end to *pipe, a regular file that is open for reading alone to
 * *file, if that is -1 still; all others are given up.
 * Returns 0, or -EBADF if one had no place or there were too many. *ret_n is
 * how many there were.
 */
int lent_take(
	struct msghdr *message, int *terminal, int *pipe, int *file, size_t *ret_n);

/* Closes what a client lent, without waiting. For all but a terminal the only way. Returns -1. */
int lent_close(int fd);

/*
 * Ends a client's socket: by close, unless descriptors lie unread in it.
 * `buffer` is for looking at what else does, and is wiped. Returns -1.
 */
int lent_close_socket(int fd, void *buffer, size_t size);
