#pragma once

/*
 * A secret on standard input, as a pipe for the agent, so that its bytes never
 * enter this process: not its heap, not its core. Where standard input is a
 * pipe, it is that one: the agent takes the first line as soon as it is there,
 * end or no end. Else the bytes are moved into one by splice(2).
 */

#include <stdint.h>

#include "protocol/refusal.h"

/*
 * Waits for the first bytes, or for all where they have to be moved, at most
 * `timeout_usec`. Returns 0 and the reading end in *ret; -ETIMEDOUT,
 * -ENOTTY if standard input is a terminal, -ENODATA if it is empty, -ENOBUFS if
 * it came in too many pieces, -EINVAL if it is of a kind that cannot be
 * moved, or another negative errno.
 */
int pipe_from_stdin(uint64_t timeout_usec, int *ret);

/*
 * The same for a key, which may have several lines: all of standard input, up
 * to its end, is moved into a pipe of its own, so that the agent finds it whole.
 * -EMSGSIZE if that is more than 4096 bytes.
 */
int pipe_whole_stdin(uint64_t timeout_usec, int *ret);

/* A sentence for a failure of the two. Static text. */
const char *pipe_advice(int error);
