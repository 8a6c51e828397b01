#include "act.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "agent/work/frame.h"
#include "api_answer.h"
#include "api_request.h"
#include "headers.h"
#include "http.h"
#include "owners.h"
#include "progress.h"
#include "task.h"
#include "words.h"

#define ANSWER_MAX ((size_t) 1024 * 1024)

/* All texts are without the token: words_tell has seen to that. */
static int act_put(const struct net_task *task, const struct api_answer *act, long status,
	struct fields *answer) {
	int r = fields_put_u64(answer, FIELD_OUTCOME, (uint64_t) act->outcome);

	if (r == 0)
		r = fields_put_u64(answer, FIELD_CODE, (uint64_t) act->code);
	if (r == 0)
		r = fields_put_u64(answer, FIELD_HINT, (uint64_t) act->hint);
	if (r == 0 && status > 0)
		r = fields_put_u64(answer, FIELD_HTTP_STATUS, (uint64_t) status);
	if (r == 0 && act->retry_after > 0)
		r = fields_put_u64(answer, FIELD_RETRY_AFTER, act->retry_after);
	if (r == 0)
		r = fields_put_string(answer, FIELD_DETAIL, act->detail);
	if (r == 0)
		r = fields_put_string(answer, FIELD_MESSAGE, act->message);
	if (r == 0)
		r = fields_put_string(answer, FIELD_WARNINGS, act->warnings);
	if (r == 0 && task->errand == ERRAND_OWNERS_LIST && act->outcome == OUTCOME_DONE)
		r = owners_put(act->document, task->token, answer);
	return r;
}

/* A trusted-publishing token is for new versions alone: crates.io would call it unknown. */
static bool act_is_beyond_token(const struct net_task *task) {
	switch (task->errand) {
	case ERRAND_YANK:
	case ERRAND_UNYANK:
	case ERRAND_OWNERS_ADD:
	case ERRAND_OWNERS_REMOVE:
		return net_task_has_trusted_token(task);
	case ERRAND_PUBLISH:
	case ERRAND_OWNERS_LIST:
	case ERRAND_REVOKE:
	case ERRAND_CONFIG:
	case ERRAND_PROBE:
	case ERRAND_CRATE:
	case ERRAND_CLOCK:
	case _ERRAND_MAX:
		break;
	}
	return false;
}

static enum refusal act_send(const struct net_task *task, struct http_answer *ret,
	bool *ret_has_left, char **ret_detail) {
	_cleanup_(api_request_done) struct api_request request = {0};

	int r = api_request_build(task, &request);
	if (r < 0)
		return refusal_from_errno(r);
	const struct http_request http = {
		.method = request.method,
		.url = request.url,
		.accept = "application/json",
		.content_type = request.content_type,
		.body = request.has_body ? &request.body : NULL,
		.token = task->token,
		.ca_pem = task->ca_pem,
		.proxy = task->proxy,
		.timeout_msec = task->timeout_msec,
		.idle_msec = task->idle_msec,
		.body_max = ANSWER_MAX,
		.takes_cut = true,
		/* Others are over soon, and the core allows them no progress. */
		.on_progress = task->errand == ERRAND_PUBLISH ? progress_tell : NULL,
	};
	return http_send(&http, ret, ret_has_left, ret_detail);
}

/* The request is on its way, or over: from here on nothing is called refused that may be done. */
static enum refusal act_conclude(const struct net_task *task, enum refusal refusal,
	const struct http_answer *http, const char *detail, struct fields *answer) {
	_cleanup_(api_answer_done) struct api_answer act = API_ANSWER_NULL;
	int r = 0;

	if (refusal == REFUSAL_NONE)
		r = api_answer_read(task, http, (uint64_t) time(NULL), &act);
	if (refusal != REFUSAL_NONE || r < 0) {
		act.code = REFUSAL_OUTCOME_UNKNOWN;
		act.detail = detail ? strdup(detail) : NULL;
	}
	r = act_put(task, &act, http->status, answer);
	return r < 0 ? REFUSAL_OUTCOME_UNKNOWN : REFUSAL_NONE;
}

enum refusal act_run(const struct net_task *task, struct fields *answer, char **ret_detail) {
	_cleanup_(http_answer_done) struct http_answer http = HTTP_ANSWER_NULL;
	bool has_left = false;

	if (act_is_beyond_token(task)) {
		const struct api_answer act = {
			.outcome = OUTCOME_REFUSED,
			.code = REFUSAL_TOKEN_SCOPE,
			.hint = HINT_ACCOUNT_TOKEN,
		};
		int r = act_put(task, &act, 0, answer);
		return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
	}
	enum refusal refusal = act_send(task, &http, &has_left, ret_detail);
	/* A list changes nothing, so that it is lost and no more. */
	if (refusal != REFUSAL_NONE && (!has_left || task->errand == ERRAND_OWNERS_LIST))
		return refusal;
	refusal = act_conclude(task, refusal, &http, *ret_detail, answer);
	if (refusal == REFUSAL_NONE)
		(void) headers_put(task, &http, answer); /* What became of the act is told. */
	return refusal;
}
