#pragma once

/*
 * The listening socket: binds it, or takes over systemd's; accepts, checks who
 * comes, and bounds how many.
 */

#include "protocol/cleanup.h"

struct agent;
struct listener;

/*
 * Listens under the agent's lock (so that there is one agent a socket). `path`
 * is a --socket option or NULL. Returns 0 and *ret, -EALREADY if another agent
 * or systemd serves there, or a negative errno.
 */
int listener_new(struct agent *agent, const char *path, struct listener **ret);
/* Removes the file of a socket of our own before the lock goes. */
struct listener *listener_free(struct listener *listener);
DEFINE_CLEANUP(struct listener, listener_free)
