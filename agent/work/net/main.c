/*
 * worker-net: makes one request for one errand and says what the answer means. The
 * answer of a stranger's server is parsed here, where there is at most the one
 * secret that this server was given.
 */

#include <stdbool.h>
#include <string.h>

#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "act.h"
#include "crate_file.h"
#include "errand.h"
#include "headers.h"
#include "http.h"
#include "task.h"
#include "words.h"

/* How each errand that reads asks, for how much, and whether it can do with less. */
static const struct {
	const char *accept;
	size_t body_max;
	bool takes_cut;
} manners[_ERRAND_MAX] = {
	[ERRAND_CONFIG] = {"application/json", (size_t) 64 * 1024, false},
	[ERRAND_PROBE] = {"application/json", (size_t) 64 * 1024, false},
	[ERRAND_CRATE] = {"text/plain", (size_t) 16 * 1024 * 1024, false}, /* cargo asks so. */
	/* A body, which nobody reads, ends the request at its first byte but one. */
	[ERRAND_CLOCK] = {"*/*", 1, true},
};

static enum refusal net_fetch(
	const struct net_task *task, struct http_answer *ret, char **ret_detail) {
	_cleanup_(freep) char *crate_url = NULL;
	bool has_left;

	if (task->errand == ERRAND_CRATE) {
		int r = crate_file_url(task->url, task->crate, &crate_url);
		if (r < 0)
			return refusal_from_errno(r);
	}
	const struct http_request request = {
		.method = "GET",
		.url = crate_url ? crate_url : task->url,
		.accept = manners[task->errand].accept,
		.token = task->token,
		.ca_pem = task->ca_pem,
		.proxy = task->proxy,
		.timeout_msec = task->timeout_msec,
		.idle_msec = task->idle_msec,
		.body_max = manners[task->errand].body_max,
		.takes_cut = manners[task->errand].takes_cut,
	};
	return http_send(&request, ret, &has_left, ret_detail);
}

/*
 * The last look at what leaves: a server can put the token that it was sent into
 * a redirect, a URL or a version, and from there it would come into texts and files.
 */
static enum refusal net_withhold(const struct net_task *task, enum refusal refusal,
	const struct fields *answer, char **ret_detail) {
	const struct secret *token = task->token;
	_cleanup_(freep) char *detail = TAKE_PTR(*ret_detail);

	if (detail)
		*ret_detail = words_tell(detail, strlen(detail), strlen(detail), token);
	if (refusal != REFUSAL_NONE ||
		!words_repeat(fields_bytes(answer), fields_size(answer), token))
		return refusal;
	free(*ret_detail);
	*ret_detail = strdup("the answer repeats the token");
	/* Of an act nothing is withheld any more; if it were, it may have been done. */
	return net_task_is_act(task) ? REFUSAL_OUTCOME_UNKNOWN : REFUSAL_INDEX_INVALID;
}

/* One of the errands that change nothing. */
static enum refusal net_look(
	const struct net_task *task, struct fields *answer, char **ret_detail) {
	_cleanup_(http_answer_done) struct http_answer http = HTTP_ANSWER_NULL;

	enum refusal refusal = net_fetch(task, &http, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = errand_read(task, &http, answer, ret_detail);
	/* Also beside a refusal. */
	int r = headers_put(task, &http, answer);
	return refusal == REFUSAL_NONE && r < 0 ? refusal_from_errno(r) : refusal;
}

static enum refusal net_work(struct fields *fields, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(net_task_done) struct net_task task = NET_TASK_NULL;

	int r = sandbox_enter(SANDBOX_NET);
	if (r < 0)
		return refusal_from_errno(r);
	r = net_task_read(fields, fds, n_fds, &task);
	if (r < 0)
		return refusal_from_errno(r);
	enum refusal refusal = net_task_check(&task, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = net_task_is_act(&task) ? act_run(&task, answer, ret_detail)
					 : net_look(&task, answer, ret_detail);
	return net_withhold(&task, refusal, answer, ret_detail);
}

int main(void) {
	return worker_run(net_work);
}
