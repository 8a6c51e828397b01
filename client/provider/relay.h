#pragma once

/*
 * What cargo runs as its credential provider: greets, then carries each line
 * of standard input to the agent and its answer to standard output. It reads
 * nothing of either but where they end. Lines may hold a token, so they lie in
 * one piece of locked memory, out of swap and core dumps, and are wiped.
 */

/* Until the end of standard input, or until cargo is gone. The value is main's. */
int relay_run(void);
