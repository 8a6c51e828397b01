#include "file_secret.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/session.h"
#include "protocol/secret.h"

#define DEADLINE_USEC (10 * USEC_PER_SEC)

struct file_secret {
	struct job *job;
	file_secret_done_t done;
	void *userdata;
};

static void file_secret_taken(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct file_secret *file = userdata;
	struct secret *secret = NULL;

	(void) detail; /* A list of the same file, which comes first, has told it. */
	if (refusal == REFUSAL_NONE) {
		int r = fields_get_secret(answer, FIELD_SECRET, &secret);

		if (r < 0)
			refusal = r == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_WORKER_FAILED;
	}
	file->done(refusal, secret, file->userdata);
}

int file_secret_new(struct session *session, const char *key, file_secret_done_t done,
	void *userdata, struct file_secret **ret) {
	_cleanup_(file_secret_freep) struct file_secret *file = NULL;
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r;

	if (!session->file)
		return -EBADF;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->done = done;
	file->userdata = userdata;
	r = fields_new(&task);
	if (r < 0)
		return r;
	r = fields_put_string(task, FIELD_TOML_KEY, key);
	if (r < 0)
		return r;
	r = job_new(session->agent, WORKER_IMPORT, TAKE_PTR(task), NULL, 0,
		DEADLINE_USEC, file_secret_taken, file, &file->job);
	if (r == 0)
		r = job_lend(file->job, session->file);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(file);
	return 0;
}

struct file_secret *file_secret_free(struct file_secret *file) {
	if (!file)
		return NULL;
	job_free(file->job);
	free(file);
	return NULL;
}
