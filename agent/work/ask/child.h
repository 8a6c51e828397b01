#pragma once

/*
 * A dialogue program that we run: in a process group of its own, ended when we
 * end. Its standard output is a pipe to us; its environment is ours.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/refusal.h"

struct child {
	pid_t pid;
	int in;	 /* to its standard input; -1 if that is ours */
	int out; /* from its standard output */
};

#define CHILD_NULL ((struct child){.pid = -1, .in = -1, .out = -1})

/*
 * `program` is an absolute path; `argument` and `hint` (a value of
 * SSH_ASKPASS_PROMPT) may be NULL. 0 and *ret, or a negative errno: -ENOEXEC if
 * it is no program that we may run.
 */
int child_start(const char *program, const char *argument, const char *hint, bool has_input,
	struct child *ret);

/* Kills what is left of it; fine for CHILD_NULL and after child_wait. */
void child_done(struct child *child);

/* One read: bytes (1 or more in *ret_size), or 0 at the end of its output. */
enum refusal child_read(const struct child *child, uint64_t deadline_usec, void *bytes, size_t size,
	size_t *ret_size);
enum refusal child_write(
	const struct child *child, uint64_t deadline_usec, const void *bytes, size_t size);

/*
 * Waits for its end. REFUSAL_NONE for exit status 0; REFUSAL_DENIED for another;
 * REFUSAL_PROMPT_FAILED if it was killed or could not be run; REFUSAL_PROMPT_TIMEOUT.
 */
enum refusal child_wait(struct child *child, uint64_t deadline_usec);
