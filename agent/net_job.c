#include "net_job.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/clock.h"
#include "agent/keypair.h"
#include "agent/signing.h"
#include "agent/text.h"
#include "protocol/names.h"
#include "protocol/secret.h"

struct net_job {
	struct agent *agent;
	char *url, *account_name; /* NULL: its answer's time does not count */
	struct fields *task;
	/* Of one that is signed; `account` NULL otherwise, and all that follows. */
	struct account *account;
	struct keypair *key;
	enum operation operation;
	char *crate, *version, *checksum;
	int terminal;
	bool is_to_api;
	bool is_challenged; /* it was sent once, and the registry has asked for more */
	struct signing *signing;

	int fds[FRAME_FDS_MAX];
	size_t n_fds;
	uint64_t deadline_usec, whole_usec;
	job_progress_t progress;
	bool (*leaves)(void *userdata);
	struct job *job;
	bool may_have_sent;
	job_done_t done;
	void *userdata;
};

bool net_job_may_have_sent(const struct net_job *job) {
	return job->may_have_sent;
}

static void net_job_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata);

static void net_job_progressed(const struct fields *fields, void *userdata) {
	const struct net_job *job = userdata;

	job->progress(fields, job->userdata);
}

/* Starts the worker, with the token if there is one. */
static int net_job_send(struct net_job *job, const struct secret *token) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r = fields_parse(fields_bytes(job->task), fields_size(job->task), &task);

	if (r == 0 && token)
		r = fields_put_secret(task, FIELD_TOKEN, token);
	if (r == 0)
		r = job_new(job->agent, WORKER_NET, TAKE_PTR(task), job->fds, job->n_fds,
			job->deadline_usec, net_job_answered, job, &job->job);
	if (r < 0)
		return r;
	/* Its worker gets the task when it is ready, and that is not before we are back in the loop. */
	if (job->leaves && !job->leaves(job->userdata)) {
		job->job = job_free(job->job);
		return -ECANCELED;
	}
	job->may_have_sent = true;
	job->terminal = fd_close(job->terminal); /* Who has left wants it back. */
	if (job->whole_usec > 0)
		job_allow_progress(job->job, job->whole_usec);
	if (job->progress)
		job_tell_progress(job->job, net_job_progressed);
	return 0;
}

static void net_job_signed(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata) {
	_cleanup_(secret_freep) struct secret *taken = token;
	_cleanup_(freep) char *words = detail ? strdup(detail) : NULL;
	struct net_job *job = userdata;
	int r;

	job->signing = signing_free(job->signing);
	if (refusal == REFUSAL_NONE) {
		r = net_job_send(job, taken);
		if (r == 0)
			return;
		refusal = r == -ECANCELED ? REFUSAL_DENIED : refusal_from_errno(r);
	}
	job->done(refusal, words, NULL, job->userdata);
}

static int net_job_sign(struct net_job *job, const char *challenge) {
	const struct signing_ask ask = {
		.account = job->account,
		.key = job->key,
		.operation = job->operation,
		.crate = job->crate,
		.version = job->version,
		.checksum = job->checksum,
		.challenge = challenge,
		.terminal = job->terminal,
	};

	return signing_new(job->agent, &ask, net_job_signed, job, &job->signing);
}

static void net_job_learn(const struct net_job *job, const struct fields *answer) {
	uint64_t date;

	if (job->account_name && answer && fields_get_u64(answer, FIELD_DATE, &date) == 0)
		clock_learn(job->agent, job->url, job->account_name, date, job->is_to_api);
}

/* The challenge, if the answer is one that is to be answered. Caller frees; NULL otherwise. */
static char *take_challenge(const struct net_job *job, const struct fields *answer) {
	uint64_t outcome = OUTCOME_UNKNOWN;
	char *challenge;

	if (!job->account || job->is_challenged || !answer)
		return NULL;
	if (fields_get_u64(answer, FIELD_OUTCOME, &outcome) < 0 && job->operation == OPERATION_READ)
		outcome = OUTCOME_REFUSED; /* A look has none, and does nothing. */
	/* Of an act that may have been done there is no second try. */
	if (outcome != OUTCOME_REFUSED ||
		fields_get_string(answer, FIELD_CHALLENGE, &challenge) < 0)
		return NULL;
	if (claim_is_valid(challenge))
		return challenge;
	free(challenge);
	return NULL;
}

static void net_job_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct net_job *job = userdata;
	_cleanup_(freep) char *challenge = take_challenge(job, answer);

	net_job_learn(job, answer);
	if (challenge) {
		int r = net_job_sign(job, challenge);

		/* The first request was refused, and so is the whole. */
		job->may_have_sent = false;
		job->is_challenged = true;
		if (r == 0) {
			job->job = job_free(job->job);
			return;
		}
		refusal = r == -EEXIST ? REFUSAL_CHALLENGE_REPEATED : refusal_from_errno(r);
		detail = NULL;
		answer = NULL;
	}
	/* There is no token that could be mistyped or revoked. */
	if (job->account && refusal == REFUSAL_TOKEN_REJECTED)
		refusal = REFUSAL_KEY_UNKNOWN;
	job->key = keypair_free(job->key); /* Nothing more is signed. */
	job->done(refusal, detail, refusal == REFUSAL_NONE ? answer : NULL, job->userdata);
}

/* What is needed for signing, which comes later. */
static int net_job_keep(struct net_job *job, const struct net_ask *ask) {
	int r = text_set(&job->crate, ask->crate);

	job->operation = ask->operation;
	job->account = account_copy(ask->signer);
	if (!job->account)
		return -ENOMEM;
	if (ask->key) {
		job->key = keypair_copy(ask->key, true);
		if (!job->key)
			return -ENOMEM;
	}
	if (r == 0)
		r = text_set(&job->version, ask->version);
	if (r == 0)
		r = text_set(&job->checksum, ask->checksum);
	if (r == 0 && ask->terminal >= 0) {
		job->terminal = fcntl(ask->terminal, F_DUPFD_CLOEXEC, 3);
		r = job->terminal < 0 ? -errno : 0;
	}
	return r;
}

static int net_job_fill(struct net_job *job, const struct net_ask *ask) {
	int r = text_set(&job->url, ask->url);

	if (r == 0)
		r = text_set(&job->account_name, ask->account);
	job->leaves = ask->leaves;
	job->is_to_api = ask->is_to_api;
	job->deadline_usec = ask->deadline_usec;
	job->whole_usec = ask->whole_usec;
	job->progress = ask->progress;
	assert(ask->n_fds <= FRAME_FDS_MAX && !(ask->token && ask->signer));
	for (size_t i = 0; r == 0 && i < ask->n_fds; i++) {
		job->fds[i] = fcntl(ask->fds[i], F_DUPFD_CLOEXEC, 3);
		if (job->fds[i] < 0)
			return -errno;
		job->n_fds++;
	}
	return r == 0 && ask->signer ? net_job_keep(job, ask) : r;
}

int net_job_new(struct agent *agent, struct net_ask *ask, job_done_t done, void *userdata,
	struct net_job **ret) {
	_cleanup_(fields_freep) struct fields *task = TAKE_PTR(ask->task);
	_cleanup_(net_job_freep) struct net_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->agent = agent;
	job->terminal = -1;
	job->done = done;
	job->userdata = userdata;
	job->task = TAKE_PTR(task);
	r = net_job_fill(job, ask);
	if (r == 0)
		r = job->account ? net_job_sign(job, NULL) : net_job_send(job, ask->token);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(job);
	return 0;
}

struct net_job *net_job_free(struct net_job *job) {
	if (!job)
		return NULL;
	signing_free(job->signing);
	job_free(job->job);
	for (size_t i = 0; i < job->n_fds; i++)
		(void) fd_close(job->fds[i]);
	(void) fd_close(job->terminal);
	fields_free(job->task);
	account_free(job->account);
	keypair_free(job->key);
	free(job->url);
	free(job->account_name);
	free(job->crate);
	free(job->version);
	free(job->checksum);
	free(job);
	return NULL;
}
