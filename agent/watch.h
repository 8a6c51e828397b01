#pragma once

/*
 * Locking with the session: while the store is open a worker listens to logind,
 * and the agent locks when a session of the user is locked or the machine goes
 * to sleep.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"

struct agent;
struct watch;

/* Nothing is started yet. 0 or -ENOMEM. */
int watch_new(struct agent *agent, struct watch **ret);
struct watch *watch_free(struct watch *watch);
DEFINE_CLEANUP(struct watch, watch_free)

/* Starts and ends the worker as the store was opened or locked. Call it after each event. */
void watch_follow(struct watch *watch);

/* Does the worker hear logind? */
bool watch_is_listening(const struct watch *watch);
