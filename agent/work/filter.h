#pragma once

/* The seccomp filter of a worker. */

#include "agent/work/sandbox.h"

/*
 * Loads the filter of this profile, for good. 0, also on a kernel without
 * filters, or a negative errno.
 */
int filter_enter(enum sandbox sandbox);
