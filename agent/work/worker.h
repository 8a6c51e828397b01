#pragma once

/*
 * The life of every worker program: harden, check that nobody traces us, say
 * "ready", take one task, work, send one answer, exit. The socket is
 * descriptor WORKER_SOCKET; 0 to 2 are /dev/null, /dev/null and the agent's
 * standard error.
 */

#include <stddef.h>

#include "agent/work/frame.h"
#include "protocol/refusal.h"

#define WORKER_SOCKET 3

/*
 * Does the work. Fills `answer` and returns REFUSAL_NONE, or returns a refusal
 * and may leave a text for people in *ret_detail (freed by the caller; never a
 * secret); of what is in `answer` by then, FIELD_DATE and FIELD_CHALLENGE go
 * along. The descriptors stay the caller's.
 */
typedef enum refusal (*worker_function)(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail);

/* Says that the work goes on: a core that waits for more than silence goes on waiting. */
void worker_tell_progress(void);
/*
 * The same, with how far it has come. A negative errno if it cannot be told, above
 * all -EPIPE: the core is gone.
 */
int worker_tell(const struct fields *progress);

/* Runs the worker; the value is main's. */
int worker_run(worker_function work);
