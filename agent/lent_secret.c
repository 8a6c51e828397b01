/* The pipe itself is worker-read's to touch: see there, and lent.c, for why. */

#include "lent_secret.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/session.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define DEADLINE_USEC (10 * USEC_PER_SEC)

struct lent_secret {
	struct job *job;
	size_t size_max; /* 0: of a line */
	lent_secret_done_t done;
	void *userdata;
};

static void lent_secret_read(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct lent_secret *lent = userdata;
	struct secret *secret = NULL;

	(void) detail;
	if (refusal == REFUSAL_WORKER_TIMEOUT) /* It is the client's pipe that was silent. */
		refusal = lent->size_max > 0 ? REFUSAL_BAD_KEY : REFUSAL_BAD_TOKEN;
	if (refusal == REFUSAL_NONE &&
		(fields_get_secret(answer, FIELD_SECRET, &secret) < 0 ||
			secret_size(secret) > (lent->size_max > 0 ? lent->size_max : TOKEN_MAX))) {
		secret = secret_free(secret);
		refusal = REFUSAL_WORKER_FAILED;
	}
	lent->done(refusal, secret, lent->userdata);
}

int lent_secret_new(struct session *session, size_t size_max, lent_secret_done_t done,
	void *userdata, struct lent_secret **ret) {
	_cleanup_(lent_secret_freep) struct lent_secret *lent = NULL;
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r;

	if (!session->pipe)
		return -EBADF;
	lent = calloc(1, sizeof(*lent));
	if (!lent)
		return -ENOMEM;
	lent->size_max = size_max;
	lent->done = done;
	lent->userdata = userdata;
	r = fields_new(&task);
	if (r == 0 && size_max > 0)
		r = fields_put_u64(task, FIELD_SIZE_MAX, size_max);
	if (r < 0)
		return r;
	r = job_new(session->agent, WORKER_READ, TAKE_PTR(task), NULL, 0, DEADLINE_USEC,
		lent_secret_read, lent, &lent->job);
	if (r == 0)
		r = job_lend(lent->job, session->pipe);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(lent);
	return 0;
}

struct lent_secret *lent_secret_free(struct lent_secret *lent) {
	if (!lent)
		return NULL;
	job_free(lent->job);
	free(lent);
	return NULL;
}
