/*
 *   audit "begun" → worker-net → audit "done", "refused" or "unknown" → done
 *
 * A worker that dies, lies or is ended after it had its task may have sent the
 * request: such an act is unknown, never refused.
 */

#include "deed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/hint.h"
#include "agent/job.h"
#include "agent/keypair.h"
#include "agent/log.h"
#include "agent/net_job.h"
#include "agent/net_task.h"
#include "agent/peer.h"
#include "agent/session.h"
#include "agent/text.h"
#include "protocol/json.h"
#include "protocol/secret.h"

/* worker-net gives up by itself; these are for one that does not. */
#define SILENCE_USEC (90 * USEC_PER_SEC)
#define WHOLE_USEC (15 * 60 * USEC_PER_SEC)
#define SHORT_USEC (60 * USEC_PER_SEC)
#define MARGIN_USEC (5 * USEC_PER_SEC)

struct deed {
	struct agent *agent;
	char *claimed; /* who asked for it, as described when it was begun; NULL without memory */
	enum errand errand;
	bool signs;
	const char *op;
	char *url, *account, *crate, *version, *checksum, *users;
	char *key; /* the id of the one that signs; or NULL */
	struct deed_result result;
	bool is_recorded;
	struct net_job *job;
	struct session *session;
	void (*left)(void *userdata);
	deed_progress_t progress;
	deed_done_t done;
	void *userdata;
};

static bool errand_changes(enum errand errand) {
	return errand != ERRAND_OWNERS_LIST;
}

static int deed_audit(const struct deed *deed, const char *decision, enum refusal refusal) {
	const struct audit_entry entry = {
		.op = deed->op,
		.url = deed->url,
		.account = deed->account,
		.crate = deed->crate,
		.version = deed->version,
		.checksum = deed->checksum,
		.refusal = refusal,
		.decision = decision,
		.users = deed->users,
		.key = deed->key,
		.claimed = deed->claimed ? deed->claimed : "?",
	};

	return audit_write(deed->agent->audit, &entry);
}

/* What came of it, once. */
static void deed_record(struct deed *deed) {
	const struct deed_result *result = &deed->result;

	if (deed->is_recorded || !errand_changes(deed->errand))
		return;
	deed->is_recorded = true;
	if (deed_audit(deed, result->outcome == OUTCOME_UNKNOWN ? "unknown" : NULL,
		    result->code) < 0)
		log_warning("what came of a '%s' could not be written to the audit log", deed->op);
}

/* A text of worker-net's, which has cleaned it; and again here, as it is shown. */
static void take_text(const struct fields *answer, enum field field, char **ret) {
	char *text;

	if (fields_get_string(answer, (uint8_t) field, &text) < 0)
		return;
	for (char *at = text; *at; at++) {
		if ((*at < ' ' && *at != '\n') || *at > '~')
			*at = '?';
	}
	*ret = text;
}

static uint64_t take_number(const struct fields *answer, enum field field, uint64_t below) {
	uint64_t number;

	return fields_get_u64(answer, (uint8_t) field, &number) == 0 && number < below ? number : 0;
}

/* -EBADMSG for what contradicts itself. */
static int deed_take(struct deed *deed, const struct fields *answer) {
	struct deed_result *result = &deed->result;
	uint64_t outcome;

	if (fields_get_u64(answer, FIELD_OUTCOME, &outcome) < 0 || outcome >= _OUTCOME_MAX)
		return -EBADMSG;
	result->outcome = (enum outcome) outcome;
	result->code = (enum refusal) take_number(answer, FIELD_CODE, _REFUSAL_MAX);
	if (deed->signs && result->code == REFUSAL_TOKEN_UNKNOWN)
		result->code = REFUSAL_KEY_UNKNOWN; /* There is no token that could be revoked. */
	result->hint = (enum hint) take_number(answer, FIELD_HINT, _HINT_MAX);
	result->status = take_number(answer, FIELD_HTTP_STATUS, 1000);
	result->retry_after = (int64_t) take_number(answer, FIELD_RETRY_AFTER, INT64_MAX);
	result->date = (int64_t) take_number(answer, FIELD_DATE, INT64_MAX);
	take_text(answer, FIELD_DETAIL, &result->detail);
	take_text(answer, FIELD_MESSAGE, &result->message);
	take_text(answer, FIELD_WARNINGS, &result->warnings);
	if ((result->outcome == OUTCOME_DONE) != (result->code == REFUSAL_NONE))
		return -EBADMSG;
	return fields_parse(fields_bytes(answer), fields_size(answer), &result->finds);
}

/* After the task was given, only worker-net's own word says that nothing was sent. */
static bool refusal_is_before_sending(enum refusal refusal) {
	return refusal != REFUSAL_WORKER_FAILED && refusal != REFUSAL_WORKER_TIMEOUT &&
	       refusal != REFUSAL_OUTCOME_UNKNOWN;
}

static void deed_fail(struct deed *deed, enum refusal refusal, const char *detail) {
	struct deed_result *result = &deed->result;
	bool has_begun = deed->job && net_job_may_have_sent(deed->job);
	bool is_sure = !has_begun || refusal_is_before_sending(refusal) ||
		       !errand_changes(deed->errand);

	result->outcome = is_sure ? OUTCOME_REFUSED : OUTCOME_UNKNOWN;
	result->code = is_sure ? refusal : REFUSAL_OUTCOME_UNKNOWN;
	/* Of an answer that contradicts itself nothing is told. */
	result->hint = HINT_NONE;
	result->retry_after = 0;
	free(result->message);
	result->message = NULL;
	free(result->warnings);
	result->warnings = NULL;
	free(result->detail);
	result->detail = detail ? strdup(detail) : NULL;
}

static void deed_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct deed *deed = userdata;

	if (refusal != REFUSAL_NONE) {
		deed_fail(deed, refusal, detail);
	} else if (deed_take(deed, answer) < 0) {
		log_warning("worker-net told nonsense of a '%s'", deed->op);
		deed_fail(deed, REFUSAL_WORKER_FAILED, NULL);
	}
	deed_record(deed);
	deed->done(&deed->result, deed->userdata);
}

static void deed_progressed(const struct fields *fields, void *userdata) {
	const struct deed *deed = userdata;
	uint64_t done, total;

	if (deed->progress && fields_get_u64(fields, FIELD_DONE, &done) == 0 &&
		fields_get_u64(fields, FIELD_TOTAL, &total) == 0)
		deed->progress(done, total, deed->userdata);
}

static bool deed_leaves(void *userdata) {
	const struct deed *deed = userdata;

	/* Who presses ^C means what is not sent yet. */
	if (deed->session && session_is_left(deed->session))
		return false;
	if (deed->session)
		session_hold(deed->session);
	if (deed->left)
		deed->left(deed->userdata);
	return true;
}

/* 0 and *ret (caller frees). */
static int put_task(const struct deed_ask *ask, struct fields **ret) {
	const struct account *account = ask->account;
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r = net_task_new(ask->errand, account->api, account->ca_pem, account->proxy,
		ask->errand == ERRAND_PUBLISH ? WHOLE_USEC : SHORT_USEC, &task);

	if (r == 0)
		r = fields_put_string(task, FIELD_CRATE, ask->crate);
	if (r == 0)
		r = fields_put_string(task, FIELD_VERSION, ask->version);
	if (r == 0)
		r = fields_put_string(task, FIELD_USERS, ask->users);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(task);
	return 0;
}

static int deed_fill(struct deed *deed, const struct peer *peer, const struct deed_ask *ask) {
	int r = text_set(&deed->url, ask->account->url);

	deed->errand = ask->errand;
	deed->signs = account_signs(ask->account) && ask->account->key->secret;
	deed->op = ask->op;
	deed->claimed = peer_describe(peer);
	if (r == 0)
		r = text_set(&deed->account, ask->account->name);
	if (r == 0)
		r = text_set(&deed->crate, ask->crate);
	if (r == 0)
		r = text_set(&deed->version, ask->version);
	if (r == 0)
		r = text_set(&deed->checksum, ask->checksum);
	if (r == 0)
		r = text_set(&deed->users, ask->users);
	if (r == 0 && deed->signs)
		r = text_set(&deed->key, ask->account->key->pid);
	return r;
}

/* As cargo calls what a signed request says of itself. Only of errands that an account signs. */
static enum operation errand_operation(enum errand errand) {
	switch (errand) {
	case ERRAND_PUBLISH:
		return OPERATION_PUBLISH;
	case ERRAND_YANK:
		return OPERATION_YANK;
	case ERRAND_UNYANK:
		return OPERATION_UNYANK;
	case ERRAND_OWNERS_ADD:
	case ERRAND_OWNERS_REMOVE:
	case ERRAND_OWNERS_LIST:
		return OPERATION_OWNERS;
	case ERRAND_CONFIG:
	case ERRAND_PROBE:
	case ERRAND_CRATE:
	case ERRAND_REVOKE:
	case ERRAND_CLOCK:
	case _ERRAND_MAX:
		break;
	}
	return OPERATION_READ;
}

/* Asked with what the account was opened with: a token, a key, or neither. */
static int deed_start(struct deed *deed, const struct deed_ask *ask) {
	const struct account *account = ask->account;
	bool is_long = ask->errand == ERRAND_PUBLISH;
	struct net_ask net = NET_ASK_NULL;
	int r = put_task(ask, &net.task);

	if (r < 0)
		return r;
	net.url = account->url;
	net.account = account->name;
	net.is_to_api = true;
	net.leaves = deed_leaves;
	net.token = account->token;
	net.signer = deed->signs ? account : NULL;
	net.operation = errand_operation(ask->errand);
	net.crate = ask->crate;
	net.version = ask->version;
	net.checksum = ask->errand == ERRAND_PUBLISH ? ask->checksum : NULL;
	net.terminal = ask->terminal;
	net.fds = ask->fds;
	net.n_fds = ask->n_fds;
	net.deadline_usec = is_long ? SILENCE_USEC : SHORT_USEC + MARGIN_USEC;
	net.whole_usec = is_long ? WHOLE_USEC + MARGIN_USEC : 0;
	net.progress = is_long ? deed_progressed : NULL;
	return net_job_new(deed->agent, &net, deed_answered, deed, &deed->job);
}

int deed_new(struct agent *agent, const struct peer *peer, const struct deed_ask *ask,
	deed_progress_t progress, deed_done_t done, void *userdata, struct deed **ret) {
	struct deed *deed = calloc(1, sizeof(*deed));
	int r;

	if (!deed)
		return -ENOMEM;
	deed->agent = agent;
	deed->progress = progress;
	deed->done = done;
	deed->userdata = userdata;
	deed->session = ask->session;
	deed->left = ask->left;
	deed->is_recorded = true; /* Until it is begun there is nothing to record. */
	r = deed_fill(deed, peer, ask);
	if (r == 0 && errand_changes(ask->errand) && deed_audit(deed, "begun", REFUSAL_NONE) < 0)
		r = -EACCES;
	if (r == 0) {
		deed->is_recorded = false;
		r = deed_start(deed, ask);
		if (r < 0) {
			deed_fail(deed, refusal_from_errno(r), NULL);
			deed->result.outcome = OUTCOME_REFUSED; /* It did not start. */
			deed->result.code = refusal_from_errno(r);
			deed_record(deed);
		}
	}
	if (r < 0) {
		deed_free(deed);
		return r;
	}
	*ret = deed;
	return 0;
}

struct deed *deed_free(struct deed *deed) {
	if (!deed)
		return NULL;
	if (!deed->is_recorded) {
		/* Given up; what was not signed yet by then was not sent. */
		deed_fail(deed,
			deed->session && session_is_left(deed->session) ? REFUSAL_DENIED
									: REFUSAL_LOCKED,
			NULL);
		if (deed->job && net_job_may_have_sent(deed->job)) {
			deed->result.outcome = OUTCOME_UNKNOWN;
			deed->result.code = REFUSAL_OUTCOME_UNKNOWN;
		}
		deed_record(deed);
	}
	net_job_free(deed->job);
	fields_free(deed->result.finds);
	free(deed->result.detail);
	free(deed->result.message);
	free(deed->result.warnings);
	free(deed->url);
	free(deed->account);
	free(deed->crate);
	free(deed->version);
	free(deed->checksum);
	free(deed->users);
	free(deed->key);
	free(deed->claimed);
	free(deed);
	return NULL;
}

static const char *outcome_name(enum outcome outcome) {
	switch (outcome) {
	case OUTCOME_DONE:
		return "done";
	case OUTCOME_REFUSED:
		return "refused";
	case OUTCOME_UNKNOWN:
	case _OUTCOME_MAX:
		break;
	}
	return "unknown";
}

void deed_write(struct json_writer *writer, const struct deed_result *result) {
	bool is_done = result->code == REFUSAL_NONE;

	json_write_string(writer, "outcome", outcome_name(result->outcome));
	json_write_string(writer, "code", is_done ? NULL : refusal_name(result->code));
	json_write_string(writer, "message", is_done ? NULL : refusal_sentence(result->code));
	json_write_string(writer, "detail", result->detail);
	json_write_string(writer, "hint", hint_sentence(result->hint));
	if (result->retry_after > 0)
		json_write_integer(writer, "retry-after", result->retry_after);
	else
		json_write_string(writer, "retry-after", NULL);
	json_write_string(writer, "said", result->message);
}

void deed_write_refused(struct json_writer *writer, enum refusal refusal) {
	const struct deed_result result = {.outcome = OUTCOME_REFUSED, .code = refusal};

	deed_write(writer, &result);
}

void deed_write_lines(struct json_writer *writer, const char *name, const char *lines) {
	json_write_array(writer, name);
	while (lines && *lines) {
		size_t size = strcspn(lines, "\n");

		if (size > 0)
			json_write_bytes(writer, NULL, lines, size);
		lines += size + (lines[size] == '\n');
	}
	json_write_array_end(writer);
}
