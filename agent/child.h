#pragma once

/* The process of a worker program: started with one socket, ended, reaped. */

#include <stddef.h>

struct agent;
struct child;

enum worker {
	WORKER_KDF,
	WORKER_ASK,
	WORKER_NET,
	WORKER_READ,
	WORKER_IMPORT,
	WORKER_KEYRING,
	WORKER_CARGO_KEYRING, /* the same program, on other errands: one may wait long for a person */
	WORKER_WATCH,
	WORKER_SEAL,
	WORKER_INSPECT,
	WORKER_SIGN,
	_WORKER_MAX,
};

/* The program's name. */
const char *child_program(enum worker worker);

/*
 * Starts the program with `socket` as its WORKER_SOCKET. 0 and *ret, which
 * becomes NULL when the process is gone; -EBUSY if too many of them work; or a
 * negative errno.
 */
int child_new(struct agent *agent, enum worker worker, int socket, struct child **ret);

/*
 * Ends it if it still runs (politely first: it may have terminal modes to
 * restore), and lets go of *ret.
 */
void child_end(struct child *child);

/*
 * Kills and reaps all that is left; for the end of the agent. Waits for the
 * kernel to do so, but not for a worker that it cannot end (see lent.c).
 */
void child_end_all(struct agent *agent);
