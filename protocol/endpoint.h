#pragma once

/*
 * Where the agent's socket is: $CPUB_AGENT_SOCK or --socket if given, else
 * $XDG_RUNTIME_DIR/cpub-agent/agent.sock, else (no runtime directory)
 * $XDG_STATE_HOME/cpub-agent/run-HOST/agent.sock. The directory must belong to
 * us and be closed to all others. Reached through a directory descriptor, so
 * that no path is too long for sun_path. libc only: the provider links this.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "cleanup.h"

struct endpoint {
	char *directory;
	char *name;
	/* Somebody named the socket: never start an agent for it on our own. */
	bool is_given;
	/* The checked directory, -1 before endpoint_open. */
	int directory_fd;
};

#define ENDPOINT_NULL ((struct endpoint){.directory_fd = -1})

/*
 * Finds the path. `given` (a --socket option) may be NULL and must be absolute.
 * Returns 0, -EINVAL (given path not absolute or without a file name),
 * -ENOENT (neither XDG_RUNTIME_DIR, XDG_STATE_HOME nor HOME is set), -ENOMEM.
 */
int endpoint_resolve(const char *given, struct endpoint *ret);
void endpoint_done(struct endpoint *endpoint);

/*
 * Opens and checks the directory, making it (0700, and missing parents below
 * HOME) when `may_create`. Returns 0, -ENOENT, -ENOTDIR, -ELOOP (a symlink),
 * -EPERM (not ours), -EACCES (open to others), or another negative errno.
 */
int endpoint_open(struct endpoint *endpoint, bool may_create);

/* A sentence for a failure of endpoint_resolve or endpoint_open: what to do. Static text. */
const char *endpoint_advice(int error);

/*
 * Connects and checks that the peer is of our own uid before anything is sent.
 * Returns 0 and a close-on-exec socket in *ret, -ENOENT or -ECONNREFUSED if
 * nobody listens, -EPERM if a stranger does, -ETIMEDOUT if the agent's queue
 * stays full for 5 s.
 */
int endpoint_connect(const struct endpoint *endpoint, int *ret);

/*
 * Looks at the file of a socket that somebody else has bound for us. Returns 0
 * and which file it is, -ENOENT, -ENOTSOCK, -EPERM (not ours), -EACCES (its
 * mode is not 0600), or another negative errno.
 */
int endpoint_check_socket(const struct endpoint *endpoint, struct stat *ret_file);

/*
 * Binds and listens, replacing a stale file; hold the agent's lock. Returns 0,
 * the socket (0600, non-blocking) and which file is its, -ENOTSOCK if something
 * that is no socket has the name, or another negative errno; then nothing was
 * replaced.
 */
int endpoint_listen(
	const struct endpoint *endpoint, int backlog, struct stat *ret_file, int *ret);
