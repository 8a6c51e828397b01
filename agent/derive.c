#include "derive.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/log.h"
#include "agent/store/seal.h"
#include "protocol/secret.h"

/* MODERATE takes about a second; a slow machine or valgrind ten. */
#define DEADLINE_USEC (60 * USEC_PER_SEC)
/* Those who wait; each costs the others a second. */
#define LINE_MAX 8

struct derive {
	struct agent *agent;
	struct derive *next, **link;
	struct fields *task;
	struct job *job;
	derive_done_t done;
	void *userdata;
};

static void derive_unlink(struct derive *derive) {
	if (!derive->link)
		return;
	*derive->link = derive->next;
	if (derive->next)
		derive->next->link = derive->link;
	derive->link = NULL;
	derive->next = NULL;
}

static void derivations_go_on(struct agent *agent);

/* Leaves the line and calls back: the last act of whoever calls this. */
static void derive_finish(
	struct derive *derive, enum refusal refusal, const struct secret *key) {
	derive_unlink(derive);
	derivations_go_on(derive->agent);
	derive->done(refusal, key, derive->userdata);
}

static void derive_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct derive *derive = userdata;

	(void) detail;
	if (refusal == REFUSAL_NONE && (fields_get_secret(answer, FIELD_KEY, &key) < 0 ||
					       secret_size(key) != SEAL_KEY_SIZE))
		refusal = REFUSAL_WORKER_FAILED;
	derive_finish(derive, refusal, refusal == REFUSAL_NONE ? key : NULL);
}

static int derive_start(struct derive *derive) {
	return job_new(derive->agent, WORKER_KDF, TAKE_PTR(derive->task), NULL, 0, DEADLINE_USEC,
		derive_answered, derive, &derive->job);
}

/* The first in line has its turn. */
static void derivations_go_on(struct agent *agent) {
	struct derive *first = agent->derivations;

	while (first && !first->job && derive_start(first) < 0) {
		struct derive *next = first->next;

		derive_unlink(first);
		first->done(REFUSAL_WORKER_FAILED, NULL, first->userdata);
		first = next;
	}
}

int derive_new(struct agent *agent, const struct kdf *kdf, const struct secret *passphrase,
	derive_done_t done, void *userdata, struct derive **ret) {
	_cleanup_(derive_freep) struct derive *derive = NULL;
	struct derive **link = &agent->derivations;
	size_t n = 0;
	int r;

	derive = calloc(1, sizeof(*derive));
	if (!derive)
		return -ENOMEM;
	derive->agent = agent;
	derive->done = done;
	derive->userdata = userdata;
	r = fields_new(&derive->task);
	if (r == 0)
		r = fields_put_secret(derive->task, FIELD_PASSPHRASE, passphrase);
	if (r == 0)
		r = fields_put(derive->task, FIELD_SALT, kdf->salt, SEAL_SALT_SIZE);
	if (r == 0)
		r = fields_put_u64(derive->task, FIELD_OPSLIMIT, kdf->opslimit);
	if (r == 0)
		r = fields_put_u64(derive->task, FIELD_MEMLIMIT, kdf->memlimit);
	if (r < 0)
		return r;
	for (const struct derive *d = agent->derivations; d; d = d->next)
		n++;
	if (n >= LINE_MAX)
		return -EBUSY;
	if (n == 0) {
		r = derive_start(derive);
		if (r < 0)
			return r;
	}
	while (*link)
		link = &(*link)->next;
	*link = derive;
	derive->link = link;
	*ret = TAKE_PTR(derive);
	return 0;
}

struct derive *derive_free(struct derive *derive) {
	struct agent *agent;
	bool was_at_work;

	if (!derive)
		return NULL;
	agent = derive->agent;
	was_at_work = derive->link && derive->job;
	derive_unlink(derive);
	job_free(derive->job);
	fields_free(derive->task);
	free(derive);
	if (was_at_work)
		derivations_go_on(agent);
	return NULL;
}
