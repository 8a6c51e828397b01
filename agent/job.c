/*
 * The life of a job, and what ends it:
 *
 *   STARTED --ready--> WORKING --answer--> ANSWERED --end of stream--> DONE
 *      |                  |                   |
 *      +------------------+-------------------+--> FAILED: end of stream too
 *                                                  early, a frame out of
 *                                                  order, deadline
 *
 * The task, with its secret, is sent only after "ready", when the worker has
 * closed itself to other programs. The process is a `struct child` (child.c): it
 * outlives the job.
 */

#include "job.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/child.h"
#include "agent/lent.h"
#include "agent/log.h"
#include "agent/parked.h"
#include "protocol/secret.h"

enum job_state {
	JOB_STARTED,
	JOB_WORKING,
	JOB_ANSWERED,
	JOB_DONE,
};

struct job {
	struct agent *agent;
	enum worker worker;
	enum job_state state;
	int socket;
	sd_event_source *io;
	sd_event_source *deadline;
	uint64_t deadline_usec;
	uint64_t end_usec; /* up to which progress renews it; 0: not at all */
	struct child *child;
	struct fields *task;
	int fds[FRAME_FDS_MAX];
	size_t n_fds;
	int ticket; /* of what a client lent; -1 without */
	struct fields *answer;
	job_done_t done;
	job_progress_t progress;
	enum refusal given_up; /* why it is ended before its time; REFUSAL_NONE: it is not */
	void *userdata;
};

/* Ends the job; the callback is the last thing that touches it. */
static void job_finish(struct job *job, enum refusal refusal, const char *detail,
	const struct fields *answer) {
	job->state = JOB_DONE;
	job->io = sd_event_source_disable_unref(job->io);
	job->deadline = sd_event_source_disable_unref(job->deadline);
	job->socket = fd_close(job->socket);
	job->task = fields_free(job->task);
	job->done(refusal, detail, answer, job->userdata);
}

static void job_fail(struct job *job, const char *what) {
	log_warning("worker '%s' %s", child_program(job->worker), what);
	job_finish(job, REFUSAL_WORKER_FAILED, NULL, NULL);
}

/* The stream has ended in order: reads what the answer says. */
static void job_answered(struct job *job) {
	_cleanup_(freep) char *detail = NULL;
	uint64_t refusal = REFUSAL_NONE;
	int r;

	r = fields_get_u64(job->answer, FIELD_REFUSAL, &refusal);
	if ((r < 0 && r != -ENOENT) || refusal >= _REFUSAL_MAX) {
		job_fail(job, "gave a malformed answer");
		return;
	}
	(void) fields_get_string(job->answer, FIELD_DETAIL, &detail); /* Often there is none. */
	job_finish(job, (enum refusal) refusal, detail, job->answer);
}

static void job_drop_fds(struct job *job) {
	for (size_t i = 0; i < job->n_fds; i++)
		(void) fd_close(job->fds[i]);
	job->n_fds = 0;
	job->ticket = lent_close(job->ticket);
}

/* What was lent is in our own table only as long as it takes to send it on. */
static int job_send_task(struct job *job) {
	int fds[FRAME_FDS_MAX], lent = -1, r = 0;
	size_t n_fds = 0;

	if (job->ticket >= 0)
		r = parked_peek(job->ticket, &lent);
	if (r < 0)
		return r;
	if (lent >= 0)
		fds[n_fds++] = lent;
	for (size_t i = 0; i < job->n_fds; i++)
		fds[n_fds++] = job->fds[i];
	r = frame_send(job->socket, FRAME_TASK, job->task, fds, n_fds);
	(void) lent_close(lent);
	if (r < 0)
		return r;
	job->task = fields_free(job->task);
	job_drop_fds(job);
	return 0;
}

static void job_renew_deadline(struct job *job) {
	uint64_t now = 0, until;

	(void) sd_event_now(job->agent->event, CLOCK_MONOTONIC, &now); /* A valid clock. */
	until = now + job->deadline_usec;
	if (job->end_usec > 0 && job->given_up == REFUSAL_NONE)
		(void) sd_event_source_set_time(
			job->deadline, until < job->end_usec ? until : job->end_usec);
}

/* Takes one frame. Returns what is wrong with it, or NULL. */
static const char *job_take(struct job *job, enum frame_type type, struct fields **fields) {
	switch (type) {
	case FRAME_READY:
		if (job->state != JOB_STARTED)
			return "said twice that it is ready";
		if (job_send_task(job) < 0)
			return "did not take its task";
		job->state = JOB_WORKING;
		return NULL;
	case FRAME_PROGRESS:
		if (job->state != JOB_WORKING)
			return "told progress out of turn";
		job_renew_deadline(job);
		if (job->progress)
			job->progress(*fields, job->userdata);
		return NULL;
	case FRAME_ANSWER:
		if (job->state != JOB_WORKING)
			return "answered out of turn";
		job->answer = TAKE_PTR(*fields);
		job->state = JOB_ANSWERED;
		return NULL;
	case FRAME_TASK:
	case FRAME_DONE:
		break;
	}
	return "sent an unknown frame";
}

static int job_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct job *job = userdata;
	enum frame_type type;
	int fds[FRAME_FDS_MAX];
	size_t n_fds = 0;
	const char *wrong;
	int r;

	(void) source;
	(void) revents;
	if (job->given_up != REFUSAL_NONE) {
		job_finish(job, job->given_up, NULL, NULL);
		return 0;
	}
	r = frame_receive(fd, &type, &fields, fds, &n_fds);
	if (r == -EAGAIN)
		return 0;
	if (r == 0 || r == -ECONNRESET) {
		if (job->state == JOB_ANSWERED)
			job_answered(job);
		else
			job_fail(job, "ended without an answer");
		return 0;
	}
	if (r < 0) {
		job_fail(job, "sent a malformed frame");
		return 0;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void) fd_close(fds[i]); /* No worker has descriptors to give yet. */
	wrong = n_fds > 0 ? "sent a descriptor" : job_take(job, type, &fields);
	if (wrong)
		job_fail(job, wrong);
	return 0;
}

static int job_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	struct job *job = userdata;

	(void) source;
	(void) usec;
	if (job->given_up != REFUSAL_NONE) {
		job_finish(job, job->given_up, NULL, NULL);
		return 0;
	}
	log_warning("worker '%s' did not finish in time, ending it", child_program(job->worker));
	job_finish(job, REFUSAL_WORKER_TIMEOUT, NULL, NULL);
	return 0;
}

static int job_start(struct job *job) {
	_cleanup_(fd_closep) int theirs = -1;
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	job->socket = pair[0];
	theirs = pair[1];
	if (fcntl(job->socket, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = child_new(job->agent, job->worker, theirs, &job->child);
	if (r == -EBUSY)
		return r;
	if (r < 0) {
		log_warning("worker '%s' could not be started: %s", child_program(job->worker),
			strerror(-r));
		return -ECHILD;
	}
	r = sd_event_add_io(job->agent->event, &job->io, job->socket, EPOLLIN, job_on_io, job);
	if (r < 0)
		return r;
	return sd_event_add_time_relative(job->agent->event, &job->deadline, CLOCK_MONOTONIC,
		job->deadline_usec, 0, job_on_deadline, job);
}

int job_new(struct agent *agent, enum worker worker, struct fields *task, const int *fds,
	size_t n_fds, uint64_t deadline_usec, job_done_t done, void *userdata, struct job **ret) {
	_cleanup_(fields_freep) struct fields *taken = task;
	_cleanup_(job_freep) struct job *job = NULL;
	int r;

	assert(n_fds <= FRAME_FDS_MAX);
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->agent = agent;
	job->worker = worker;
	job->socket = job->ticket = -1;
	job->done = done;
	job->userdata = userdata;
	job->deadline_usec = deadline_usec;
	job->task = TAKE_PTR(taken);
	for (size_t i = 0; i < n_fds; i++) {
		job->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (job->fds[i] < 0)
			return -errno;
		job->n_fds++;
	}
	r = job_start(job);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(job);
	return 0;
}

int job_lend(struct job *job, const struct parked *parked) {
	assert(job->ticket < 0 && job->n_fds < FRAME_FDS_MAX);
	job->ticket = fcntl(parked_ticket(parked), F_DUPFD_CLOEXEC, 3);
	return job->ticket < 0 ? -errno : 0;
}

void job_allow_progress(struct job *job, uint64_t whole_usec) {
	uint64_t now = 0;

	(void) sd_event_now(job->agent->event, CLOCK_MONOTONIC, &now); /* A valid clock. */
	job->end_usec = now + whole_usec;
}

void job_give_up(struct job *job, enum refusal refusal) {
	job->given_up = refusal;
	job->task = fields_free(job->task); /* With the secret that it may have. */
	job->end_usec = 0; /* Progress does not put it off any more. */
	if (job->child)
		child_end(job->child);
	job->child = NULL;
	(void) sd_event_source_set_time_relative(job->deadline, 0);
}

void job_tell_progress(struct job *job, job_progress_t progress) {
	job->progress = progress;
}

struct job *job_free(struct job *job) {
	if (!job)
		return NULL;
	/* A child that has answered is on its way out; ending it as well does no harm. */
	if (job->child)
		child_end(job->child);
	sd_event_source_disable_unref(job->io);
	sd_event_source_disable_unref(job->deadline);
	(void) fd_close(job->socket);
	job_drop_fds(job);
	fields_free(job->task);
	fields_free(job->answer);
	free(job);
	return NULL;
}
