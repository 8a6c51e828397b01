#pragma once

/* The beginning of a task for worker-net: what each errand has. */

#include <stdint.h>

#include "agent/work/frame.h"

struct fields;

/*
 * `ca_pem` and `proxy` may be NULL; `timeout_usec` is for all of the request. 0 and *ret (caller
 * frees), to be added to, or a negative errno.
 */
int net_task_new(enum errand errand, const char *url, const char *ca_pem, const char *proxy,
	uint64_t timeout_usec, struct fields **ret);
