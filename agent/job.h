#pragma once

/*
 * A job: one worker program, one task, one answer. Whatever the worker does
 * (answers, stays silent, answers garbage or too much, dies), the job calls
 * back exactly once, at its deadline at the latest, and never after job_free.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/child.h"
#include "agent/work/frame.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct job;

/*
 * `answer` is borrowed: what the worker told, which it may have done with a
 * refusal, too. NULL if the refusal is the job's own: the worker was silent, died
 * or talked nonsense, or was given up. `detail` is borrowed and may be NULL. The
 * callback may free the job, and both with it, as its last act.
 */
typedef void (*job_done_t)(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata);

/*
 * Starts the worker. Takes `task` over in any case; `fds`, which are not a client's but for a terminal, are duplicated.
 * `deadline_usec` is a span from now. Returns 0 and the job in *ret (caller
 * frees), or a negative errno (-ECHILD if the program does not start, -EBUSY if
 * too many of them work), and then there is no callback.
 */
int job_new(struct agent *agent, enum worker worker, struct fields *task, const int *fds,
	size_t n_fds, uint64_t deadline_usec, job_done_t done, void *userdata, struct job **ret);

struct parked;

/*
 * What a client lent goes along as well, before the other descriptors. Right after job_new.
 * 0 or a negative errno.
 */
int job_lend(struct job *job, const struct parked *parked);

/*
 * From now on `deadline_usec` is how long the worker may be silent, since each
 * progress frame renews it; but it ends `whole_usec` from now at the latest.
 */
void job_allow_progress(struct job *job, uint64_t whole_usec);

/* Ends the worker, and calls back with this refusal, from the loop. */
void job_give_up(struct job *job, enum refusal refusal);

/* What each progress frame brought is told as well; the callback must not free the job. */
typedef void (*job_progress_t)(const struct fields *fields, void *userdata);
void job_tell_progress(struct job *job, job_progress_t progress);

/* Ends the worker if it still runs (politely first: it may have terminal modes to restore). */
struct job *job_free(struct job *job);
DEFINE_CLEANUP(struct job, job_free)
