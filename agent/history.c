#include "history.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/net_job.h"
#include "agent/net_task.h"
#include "agent/route.h"
#include "protocol/names.h"

/* A person waits for the question: no longer than this. */
#define TIMEOUT_USEC (2 * USEC_PER_SEC)
#define MARGIN_USEC USEC_PER_SEC

struct history {
	struct net_job *job;
	struct history_answer answer;
	history_done_t done;
	void *userdata;
};

/* What came over the network is checked here again: it is shown to a person. */
static int history_take(struct history_answer *answer, const struct fields *fields) {
	uint64_t is_new;
	int r;

	r = fields_get_u64(fields, FIELD_IS_NEW, &is_new);
	if (r < 0)
		return r;
	r = fields_get_string(fields, FIELD_LAST_VERSION, &answer->last_version);
	if (r < 0 && r != -ENOENT)
		return r;
	r = fields_get_string(fields, FIELD_HIGHEST_VERSION, &answer->highest_version);
	if (r < 0 && r != -ENOENT)
		return r;
	r = fields_get_string(fields, FIELD_CHECKSUM, &answer->checksum);
	if (r < 0 && r != -ENOENT)
		return r;
	if ((answer->last_version && !semver_is_valid(answer->last_version)) ||
		(answer->highest_version && !semver_is_valid(answer->highest_version)) ||
		(answer->checksum && !sha256_hex_is_valid(answer->checksum)))
		return -EBADMSG;
	answer->is_new = is_new != 0;
	answer->is_known = true;
	return 0;
}

static void history_answered(
	enum refusal refusal, const char *detail, const struct fields *fields, void *userdata) {
	struct history *history = userdata;

	(void) detail;
	if (refusal != REFUSAL_NONE)
		log_debug("an index did not tell of a crate: %s", refusal_name(refusal));
	else if (history_take(&history->answer, fields) < 0)
		log_warning("worker-net told nonsense of a crate, ignoring");
	history->done(&history->answer, history->userdata);
}

/* 0 and *ret (caller frees). */
static int put_task(const struct route *route, const char *root, const char *crate,
	const char *version, struct fields **ret) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r = net_task_new(
		ERRAND_CRATE, root, route->ca_pem, route->proxy, TIMEOUT_USEC, &task);

	if (r == 0)
		r = fields_put_string(task, FIELD_CRATE, crate);
	if (r == 0)
		r = fields_put_string(task, FIELD_VERSION, version);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(task);
	return 0;
}

int history_new(struct agent *agent, const struct route *route, const char *crate,
	const char *version, history_done_t done, void *userdata, struct history **ret) {
	_cleanup_(history_freep) struct history *history = NULL;
	struct net_ask ask = NET_ASK_NULL;
	const char *root = registry_url_sparse_root(route->url);
	int r;

	if (!root)
		return 1;
	history = calloc(1, sizeof(*history));
	if (!history)
		return -ENOMEM;
	history->done = done;
	history->userdata = userdata;
	r = put_task(route, root, crate, version, &ask.task);
	if (r < 0)
		return r;
	ask.url = route->url;
	ask.account = route->name;
	ask.token = route->token;
	ask.signer = route->signer;
	ask.deadline_usec = TIMEOUT_USEC + MARGIN_USEC;
	r = net_job_new(agent, &ask, history_answered, history, &history->job);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(history);
	return 0;
}

struct history *history_free(struct history *history) {
	if (!history)
		return NULL;
	net_job_free(history->job);
	free(history->answer.last_version);
	free(history->answer.highest_version);
	free(history->answer.checksum);
	free(history);
	return NULL;
}
