#pragma once

/*
 * Starts the agent for a client that found none: a daemon of its own session,
 * with nothing of the caller's but a few variables, that says `R` on a pipe
 * when it (or the one that won, if two started) serves. libc only.
 */

/*
 * Returns 0 when an agent serves, -ENOENT (its program is not there), -ECHILD
 * (it ended before it served), -ETIMEDOUT (it is not ready within 2 s), or
 * another negative errno. Leaves no child behind.
 */
int start_agent(void);

/* A sentence for a failure of start_agent. Static text. */
const char *start_advice(int error);
