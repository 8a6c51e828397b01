#include "cargo_keyring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/bus.h"
#include "agent/job.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "protocol/secret.h"

/* One that asks nobody has no reason to take longer. */
#define DEADLINE_USEC (5 * USEC_PER_SEC)

struct cargo_keyring {
	struct session *session;
	/* What is asked, to be asked once more. */
	struct fields *task;
	bool may_prompt;
	struct job *job;
	cargo_keyring_done_t done;
	void *userdata;
};

static int cargo_keyring_start(struct cargo_keyring *keyring, bool may_prompt);

static void cargo_keyring_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct cargo_keyring *keyring = userdata;
	struct session *session = keyring->session;
	int r;

	/* Only now, so that one that answers nothing at all is told within seconds. */
	if (refusal == REFUSAL_KEYRING_LOCKED && !keyring->may_prompt &&
		(session->terminal >= 0 || agent_has_display())) {
		keyring->job = job_free(keyring->job);
		r = cargo_keyring_start(keyring, true);
		if (r == 0)
			return;
		refusal = refusal_from_errno(r);
		detail = NULL; /* These were the job's. */
		answer = NULL;
	}
	if (refusal == REFUSAL_WORKER_TIMEOUT)
		refusal = REFUSAL_KEYRING_TIMEOUT;
	keyring->done(refusal, detail, answer, keyring->userdata);
}

static int cargo_keyring_start(struct cargo_keyring *keyring, bool may_prompt) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r;

	if (!bus_is_there())
		return -ENXIO;
	r = fields_parse(fields_bytes(keyring->task), fields_size(keyring->task), &task);
	if (r == 0)
		r = fields_put_u64(task, FIELD_MAY_PROMPT, may_prompt);
	if (r < 0)
		return r;
	keyring->may_prompt = may_prompt;
	return job_new(keyring->session->agent, WORKER_CARGO_KEYRING, TAKE_PTR(task), NULL, 0,
		may_prompt ? PROMPT_DEADLINE_USEC : DEADLINE_USEC, cargo_keyring_answered, keyring,
		&keyring->job);
}

int cargo_keyring_new(struct session *session, enum keyring_errand errand, const char *url,
	const struct secret *token, cargo_keyring_done_t done, void *userdata,
	struct cargo_keyring **ret) {
	_cleanup_(cargo_keyring_freep) struct cargo_keyring *keyring = NULL;
	int r;

	keyring = calloc(1, sizeof(*keyring));
	if (!keyring)
		return -ENOMEM;
	keyring->session = session;
	keyring->done = done;
	keyring->userdata = userdata;
	r = fields_new(&keyring->task);
	if (r == 0)
		r = fields_put_u64(keyring->task, FIELD_KEYRING_ERRAND, errand);
	if (r == 0)
		r = fields_put_string(keyring->task, FIELD_CARGO_URL, url);
	if (r == 0 && token)
		r = fields_put_secret(keyring->task, FIELD_TOKEN, token);
	if (r == 0)
		r = cargo_keyring_start(keyring, false);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(keyring);
	return 0;
}

struct cargo_keyring *cargo_keyring_free(struct cargo_keyring *keyring) {
	if (!keyring)
		return NULL;
	job_free(keyring->job);
	fields_free(keyring->task);
	free(keyring);
	return NULL;
}
