#pragma once

/* Descriptors that a client lends by SCM_RIGHTS, sorted by what they are. */

#include <stddef.h>
#include <sys/socket.h>

/* More than are ever right, so that too many are seen as such. */
#define LENT_MAX 8

union lent_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(LENT_MAX * sizeof(int))];
};

/*
 * Takes all descriptors out of the message: a terminal goes to *terminal, a
 * pipe's read end to *pipe, if that is -1 still; all others are closed.
 * Returns 0, or -EBADF if one had no place or there were too many. *ret_n is
 * how many there were.
 */
int lent_take(struct msghdr *message, int *terminal, int *pipe, size_t *ret_n);
