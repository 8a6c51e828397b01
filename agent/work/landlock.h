#pragma once

/* The Landlock domain of a worker: which files it may still open. */

#include "agent/work/sandbox.h"

/*
 * Enters the domain of this profile, for good. 0, also on a kernel without
 * Landlock, or a negative errno.
 */
int landlock_enter(enum sandbox sandbox);
