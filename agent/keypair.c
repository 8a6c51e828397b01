#include "keypair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/log.h"
#include "protocol/secret.h"

#define DEADLINE_USEC (10 * USEC_PER_SEC)

struct keymaker {
	struct job *job;
	keymaker_done_t done;
	void *userdata;
};

struct keypair *keypair_copy(const struct keypair *pair, bool with_secret) {
	_cleanup_(keypair_freep) struct keypair *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->public = strdup(pair->public);
	copy->pid = strdup(pair->pid);
	if (!copy->public || !copy->pid)
		return NULL;
	if (with_secret && pair->secret &&
		secret_from(secret_peek(pair->secret), secret_size(pair->secret), &copy->secret) < 0)
		return NULL;
	return TAKE_PTR(copy);
}

struct keypair *keypair_free(struct keypair *pair) {
	if (!pair)
		return NULL;
	secret_free(pair->secret);
	free(pair->public);
	free(pair->pid);
	free(pair);
	return NULL;
}

/* What a worker tells of a key goes into texts and records: of the form, and no longer. */
static bool text_is_paserk(const char *text, const char *kind) {
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-_";
	size_t size = strlen(kind);

	return strncmp(text, kind, size) == 0 && strlen(text) <= 128 && text[size] &&
	       text[size + strspn(text + size, characters)] == '\0';
}

static bool secret_is_paserk(const struct secret *secret) {
	static const char kind[] = "k3.secret.";

	return secret_size(secret) > strlen(kind) && secret_size(secret) <= 128 &&
	       memcmp(secret_peek(secret), kind, strlen(kind)) == 0;
}

static int keypair_take(const struct fields *answer, struct keypair **ret) {
	_cleanup_(keypair_freep) struct keypair *pair = calloc(1, sizeof(*pair));
	int r;

	if (!pair)
		return -ENOMEM;
	r = fields_get_secret(answer, FIELD_PASERK, &pair->secret);
	if (r == 0)
		r = fields_get_string(answer, FIELD_PUBLIC, &pair->public);
	if (r == 0)
		r = fields_get_string(answer, FIELD_PID, &pair->pid);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	if (!secret_is_paserk(pair->secret) || !text_is_paserk(pair->public, "k3.public.") ||
		!text_is_paserk(pair->pid, "k3.pid."))
		return -EBADMSG;
	*ret = TAKE_PTR(pair);
	return 0;
}

static void keymaker_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct keymaker *maker = userdata;
	struct keypair *pair = NULL;

	(void) detail;
	if (refusal == REFUSAL_NONE) {
		int r = keypair_take(answer, &pair);

		if (r == -EBADMSG)
			log_warning("worker-sign told nonsense of a key");
		if (r < 0)
			refusal = r == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_WORKER_FAILED;
	}
	maker->done(refusal, pair, maker->userdata);
}

int keymaker_new(struct agent *agent, const struct secret *given, keymaker_done_t done,
	void *userdata, struct keymaker **ret) {
	_cleanup_(keymaker_freep) struct keymaker *maker = calloc(1, sizeof(*maker));
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r;

	if (!maker)
		return -ENOMEM;
	maker->done = done;
	maker->userdata = userdata;
	r = fields_new(&task);
	if (r == 0)
		r = fields_put_u64(
			task, FIELD_SIGN_ERRAND, given ? SIGN_READ_KEY : SIGN_MAKE_KEY);
	if (r == 0 && given)
		r = fields_put_secret(task, FIELD_PASERK, given);
	if (r == 0)
		r = job_new(agent, WORKER_SIGN, TAKE_PTR(task), NULL, 0, DEADLINE_USEC,
			keymaker_answered, maker, &maker->job);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(maker);
	return 0;
}

struct keymaker *keymaker_free(struct keymaker *maker) {
	if (!maker)
		return NULL;
	job_free(maker->job);
	free(maker);
	return NULL;
}
