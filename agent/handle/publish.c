/*
 * `publish` and `await`: what was approved goes up, and is looked for in the index.
 *
 *   publish_start   → approved, verified, not sent yet; the same account as then
 *   deed            → worker-net sends the sealed bytes
 *   publish_doubt   → the answer was lost: the index is asked a few times, and only its
 *                     own checksum says that it is done; that it lists nothing says nothing
 *   publish_answer
 *
 * From the moment that the token leaves, the request is not cancelled any more: what came
 * of it is in the audit log, whoever has left meanwhile.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/alarm.h"
#include "agent/audit.h"
#include "agent/consignment.h"
#include "agent/deed.h"
#include "agent/handle/handle.h"
#include "agent/history.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/route.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* Seconds from one look into the index to the next, where an answer was lost. */
static const unsigned doubt_pauses[] = {0, 1, 2, 4, 8};
#define N_DOUBT_PAUSES (sizeof(doubt_pauses) / sizeof(doubt_pauses[0]))
/* cargo waits so long, and looks so often (cargo_publish.rs). */
#define AWAIT_USEC (60 * USEC_PER_SEC)
#define AWAIT_PAUSE_USEC (1 * USEC_PER_SEC)

struct publish {
	struct session *session;
	struct parcel *parcel; /* lives as long as the connection, on which this is the only request */
	struct deed *deed;
	struct deed_result result; /* without its finds */
	size_t n_looks;
	uint64_t until_usec;
	sd_event_source *timer;
	struct history *history;
};

static void publish_free(void *operation) {
	struct publish *publish = operation;

	deed_free(publish->deed);
	free(publish->result.detail);
	free(publish->result.warnings);
	sd_event_source_disable_unref(publish->timer);
	history_free(publish->history);
	free(publish);
}

static struct publish *publish_begin(struct session *session) {
	struct publish *publish = calloc(1, sizeof(*publish));

	if (!publish) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return NULL;
	}
	publish->session = session;
	session_set_operation(session, publish, publish_free);
	return publish;
}

/* The parcel that the request names. */
static enum refusal find_parcel(struct session *session, struct parcel **ret) {
	const struct request *request = session->request;
	struct parcel *parcel;

	if (!session->consignment)
		return REFUSAL_NOT_SEALED;
	parcel = consignment_find(session->consignment, request->crate, request->version);
	if (!parcel)
		return REFUSAL_NOT_SEALED;
	free(session->url);
	session->url = strdup(consignment_url(session->consignment));
	if (!session->url)
		return REFUSAL_NO_MEMORY;
	*ret = parcel;
	return REFUSAL_NONE;
}

static void publish_answer(struct publish *publish) {
	struct session *session = publish->session;
	const struct parcel *parcel = publish->parcel;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_PUBLISH);
	json_write_string(writer, "name", parcel->crate);
	json_write_string(writer, "vers", parcel->version);
	json_write_string(writer, "cksum", parcel->checksum);
	deed_write(writer, &publish->result);
	deed_write_lines(writer, "warnings", publish->result.warnings);
	reply_ok_end(writer);
	session_send(session);
}

static void publish_audit(const struct publish *publish, enum refusal refusal) {
	const struct session *session = publish->session;
	const struct parcel *parcel = publish->parcel;
	const struct audit_entry entry = {
		.op = "published",
		.url = session->url,
		.crate = parcel->crate,
		.version = parcel->version,
		.checksum = parcel->checksum,
		.refusal = refusal,
		.peer = &session->peer,
	};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("what the index lists could not be written to the audit log");
}

static int publish_doubt(struct publish *publish);

static void publish_doubted(const struct history_answer *answer, void *userdata) {
	struct publish *publish = userdata;
	struct deed_result *result = &publish->result;

	if (answer->checksum && strcmp(answer->checksum, publish->parcel->checksum) == 0) {
		result->outcome = OUTCOME_DONE;
		result->code = REFUSAL_NONE;
		result->hint = HINT_NONE;
		result->retry_after = 0;
		free(result->detail); /* What was said of the failure that it was not. */
		result->detail = NULL;
		publish_audit(publish, REFUSAL_NONE);
	} else if (answer->checksum) {
		result->outcome = OUTCOME_REFUSED; /* Somebody else's is there, so ours is not. */
		result->code = REFUSAL_VERSION_EXISTS;
		publish_audit(publish, REFUSAL_VERSION_EXISTS);
	} else {
		publish->history = history_free(publish->history);
		if (publish_doubt(publish) == 0)
			return;
	}
	publish_answer(publish);
}

/*
 * Asks the index, each time by the way that is open then: a token for reads is held no longer than
 * one question takes. 0, 1 for an index that cannot be asked, or a negative errno.
 */
static int publish_look(struct publish *publish, history_done_t done) {
	_cleanup_(route_freep) struct route *route = NULL;
	const struct session *session = publish->session;
	int r = consignment_route(session->consignment, &route);

	if (r < 0)
		return r;
	return history_new(session->agent, route, publish->parcel->crate,
		publish->parcel->version, done, publish, &publish->history);
}

static int publish_on_doubt_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct publish *publish = userdata;

	(void) source;
	(void) usec;
	if (publish_look(publish, publish_doubted) != 0)
		publish_answer(publish);
	return 0;
}

static int publish_wait(struct publish *publish, uint64_t usec, sd_event_time_handler_t handler) {
	publish->timer = sd_event_source_disable_unref(publish->timer);
	return sd_event_add_time_relative(publish->session->agent->event, &publish->timer,
		CLOCK_BOOTTIME, usec, USEC_PER_MSEC, handler, publish);
}

/* Looks once more, later. -ETIME when all looks are over; the outcome stays unknown. */
static int publish_doubt(struct publish *publish) {
	if (publish->n_looks == N_DOUBT_PAUSES)
		return -ETIME;
	return publish_wait(publish, doubt_pauses[publish->n_looks++] * USEC_PER_SEC,
		publish_on_doubt_timer);
}

static void publish_done(const struct deed_result *result, void *userdata) {
	struct publish *publish = userdata;
	bool result_is_refused = result->outcome == OUTCOME_REFUSED;

	publish->result = *result;
	publish->result.finds = NULL;
	publish->result.message = NULL;
	publish->result.detail = result->detail ? strdup(result->detail) : NULL;
	publish->result.warnings = result->warnings ? strdup(result->warnings) : NULL;
	publish->deed = deed_free(publish->deed);
	publish->parcel->is_refused = result_is_refused;
	if (publish->result.outcome != OUTCOME_UNKNOWN || publish_doubt(publish) < 0)
		publish_answer(publish);
}

static void publish_progressed(uint64_t done, uint64_t total, void *userdata) {
	const struct publish *publish = userdata;

	session_progress(publish->session, "upload", done, total);
}

/* Once it may have left, whatever comes of it: another try is another approval. */
static void publish_left(void *userdata) {
	struct publish *publish = userdata;

	publish->parcel->is_sent = true;
}

static void publish_send(struct publish *publish, const struct account *account) {
	struct session *session = publish->session;
	struct parcel *parcel = publish->parcel;
	const int fds[2] = {parcel->metadata, parcel->file};
	const struct deed_ask ask = {
		.errand = ERRAND_PUBLISH,
		.op = "publish",
		.account = account,
		.crate = parcel->crate,
		.version = parcel->version,
		.checksum = parcel->checksum,
		.fds = fds,
		.n_fds = 2,
		.terminal = session->terminal,
		.session = session,
		.left = publish_left,
	};
	int r = deed_new(session->agent, &session->peer, &ask, publish_progressed, publish_done,
		publish, &publish->deed);

	if (r == -EACCES) {
		session_refuse(session, REFUSAL_AUDIT_FAILED, NULL);
		return;
	}
	if (r < 0) {
		session_fail(session, r, "publishing");
		return;
	}
}

static void publish_refuse(struct session *session, enum refusal refusal) {
	const struct request *request = session->request;
	const struct audit_entry entry = {
		.op = "publish",
		.url = session->consignment ? consignment_url(session->consignment) : NULL,
		.crate = request->crate,
		.version = request->version,
		.refusal = refusal,
		.peer = &session->peer,
	};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(session, refusal, NULL);
}

/* REFUSAL_NONE and the account with its token (caller frees): it may be sent. */
static enum refusal publish_check(
	struct session *session, const struct parcel *parcel, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	const struct consignment *consignment = session->consignment;
	const struct account *approved = consignment_account(consignment);
	enum refusal refusal;

	if (!approved)
		return REFUSAL_NOT_APPROVED;
	if (consignment_needs_verify(consignment) && !parcel->is_verified)
		return REFUSAL_NOT_VERIFIED;
	if (parcel->is_listed)
		return REFUSAL_VERSION_EXISTS;
	if (parcel->is_sent)
		return REFUSAL_RELEASE_REPEATED;
	refusal = mandate_find(session, approved->name, true, &account);
	if (refusal != REFUSAL_NONE)
		return refusal;
	/* No other token goes out for it, and to no other place. */
	if (!account_is_same(approved, account))
		return REFUSAL_NOT_APPROVED;
	*ret = TAKE_PTR(account);
	return REFUSAL_NONE;
}

void publish_handle(struct session *session) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct parcel *parcel = NULL;
	struct publish *publish;
	enum refusal refusal = find_parcel(session, &parcel);

	if (refusal == REFUSAL_NONE)
		refusal = publish_check(session, parcel, &account);
	if (refusal != REFUSAL_NONE) {
		publish_refuse(session, refusal);
		return;
	}
	publish = publish_begin(session);
	if (!publish)
		return;
	publish->parcel = parcel;
	publish_send(publish, account);
}

static void await_answer(struct publish *publish, bool is_listed) {
	struct session *session = publish->session;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_AWAIT);
	json_write_string(writer, "name", publish->parcel->crate);
	json_write_string(writer, "vers", publish->parcel->version);
	json_write_bool(writer, "listed", is_listed);
	reply_ok_end(writer);
	session_send(session);
}

static void await_looked(const struct history_answer *answer, void *userdata);

static int await_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	(void) source;
	(void) usec;
	if (publish_look(userdata, await_looked) != 0)
		await_answer(userdata, false);
	return 0;
}

static void await_looked(const struct history_answer *answer, void *userdata) {
	struct publish *publish = userdata;
	struct session *session = publish->session;
	const struct parcel *parcel = publish->parcel;
	uint64_t now = agent_now_usec(session->agent);
	/* The answer lives in it; the next look begins with a new one. */
	_cleanup_(history_freep) struct history *history = TAKE_PTR(publish->history);

	(void) history;
	if (answer->checksum && strcmp(answer->checksum, parcel->checksum) != 0) {
		publish_audit(publish, REFUSAL_CHECKSUM_DIFFERS);
		alarm_raise(session->agent, session->terminal, REFUSAL_CHECKSUM_DIFFERS,
			session->url, parcel->crate, parcel->version);
		session_refuse(session, REFUSAL_CHECKSUM_DIFFERS, NULL);
	} else if (answer->checksum) {
		publish_audit(publish, REFUSAL_NONE);
		await_answer(publish, true);
	} else if (now >= publish->until_usec ||
		   publish_wait(publish, AWAIT_PAUSE_USEC, await_on_timer) < 0) {
		await_answer(publish, false);
	} else {
		session_progress(session, "index", AWAIT_USEC - (publish->until_usec - now),
			AWAIT_USEC);
	}
}

void await_handle(struct session *session) {
	struct parcel *parcel = NULL;
	struct publish *publish;
	enum refusal refusal = find_parcel(session, &parcel);
	int r;

	/* Of an approval that is over as well: it was sent. */
	if (refusal == REFUSAL_NONE && !parcel->is_sent && !parcel->is_listed)
		refusal = REFUSAL_NOT_APPROVED;
	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, NULL);
		return;
	}
	publish = publish_begin(session);
	if (!publish)
		return;
	publish->parcel = parcel;
	publish->until_usec = agent_now_usec(session->agent) + AWAIT_USEC;
	r = publish_look(publish, await_looked);
	if (r == 1)
		await_answer(publish, false);
	else if (r < 0)
		session_fail(session, r, "looking into the index");
}
