#pragma once

/*
 * A secret on standard input, moved into a pipe for the agent by splice(2), so
 * that its bytes never enter this process: not its heap, not its core.
 */

#include "protocol/refusal.h"

/*
 * Moves the stream's first bytes, enough for the longest secret and its line end,
 * and closes the writing end. Returns 0 and the reading end in *ret;
 * -ENOTTY if standard input is a terminal, -ENODATA if it is empty, -ENOBUFS if
 * it came in too many pieces, -EINVAL if it is of a kind that cannot be
 * moved, or another negative errno.
 */
int pipe_from_stdin(int *ret);

/* A sentence for a failure of pipe_from_stdin. Static text. */
const char *pipe_advice(int error);
