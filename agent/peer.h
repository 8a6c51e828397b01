#pragma once

/*
 * Who is at the other end of a socket. The uid is the authority; pid, name
 * and parents are claims: shown to the person, logged, never used to allow.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "protocol/cleanup.h"

struct peer {
	uid_t uid;
	pid_t pid;
	/* Pins the process so that its pid cannot mean another; -1 on old kernels. */
	int pidfd;
};

#define PEER_NULL ((struct peer){.pid = -1, .pidfd = -1})

/* Reads the credentials of a connected socket. 0 or a negative errno; end with peer_done. */
int peer_read(int socket, struct peer *ret);
void peer_done(struct peer *peer);

/* The process that started `peer` (for a provider: cargo). -ESRCH if either is gone. */
int peer_parent(const struct peer *peer, struct peer *ret);

/* Both are known, still run, and are the same process. */
bool peer_is_same(const struct peer *a, const struct peer *b);
bool peer_is_alive(const struct peer *peer);

/* "cargo[31] <- sh[7]": up to four generations, printable ASCII only. Caller frees; NULL if out of memory. */
char *peer_describe(const struct peer *peer);
