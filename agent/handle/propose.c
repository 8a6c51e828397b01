/*
 * `propose`: all that was sealed on this connection, before a person.
 *
 *   propose_check    → is there something, and an account that may be used?
 *   propose_look     → what the index lists of each crate; on a locked store, whose way
 *                      to the index is sealed too, only after the approval
 *   propose_ask      → the passphrase, one for all, which also unlocks
 *   propose_agreed   → approved
 *
 * A dry run looks at as much as can be seen without asking anybody.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consignment.h"
#include "agent/handle/act.h"
#include "agent/handle/handle.h"
#include "agent/handle/propose_text.h"
#include "agent/history.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/passphrase.h"
#include "agent/prompt.h"
#include "agent/route.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct propose {
	struct session *session;
	const char *name; /* the account's */
	size_t n_looked;
	bool is_agreed; /* before it could be looked */
	char *text;
	struct route *route;
	struct history *history;
	struct mandate *mandate;
};

static void propose_free(void *operation) {
	struct propose *propose = operation;

	history_free(propose->history);
	route_free(propose->route);
	mandate_free(propose->mandate);
	free(propose->text);
	free(propose);
}

enum refusal propose_check(struct session *session) {
	enum refusal refusal = store_trouble(session->agent);

	if (!session->consignment || consignment_n(session->consignment) == 0)
		return REFUSAL_NOT_SEALED;
	free(session->url);
	session->url = strdup(consignment_url(session->consignment));
	if (!session->url)
		return REFUSAL_NO_MEMORY;
	if (session->request->is_dry_run)
		return REFUSAL_NONE;
	if (refusal == REFUSAL_NO_STORE)
		return REFUSAL_NOT_FOUND;
	if (refusal == REFUSAL_NONE && !store_has_url(session->agent->store, session->url))
		return REFUSAL_NOT_FOUND;
	return refusal;
}

/* A line for each crate: what was agreed to, or refused. */
static int propose_audit(const struct propose *propose, enum refusal refusal) {
	const struct session *session = propose->session;
	const struct consignment *consignment = session->consignment;

	for (size_t i = 0; i < consignment_n(consignment); i++) {
		const struct parcel *parcel = consignment_at(consignment, i);
		const struct audit_entry entry = {
			.op = "approve",
			.url = session->url,
			.account = propose->name,
			.crate = parcel->crate,
			.version = parcel->version,
			.checksum = parcel->checksum,
			.refusal = refusal,
			.peer = &session->peer,
		};
		int r = audit_write(session->agent->audit, &entry);

		if (r < 0)
			return r;
	}
	return 0;
}

static void propose_refuse(struct propose *propose, enum refusal refusal, const char *detail) {
	if (propose_audit(propose, refusal) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(propose->session, refusal, detail);
}

static void propose_answer(struct propose *propose, bool is_approved) {
	struct session *session = propose->session;
	const struct consignment *consignment = session->consignment;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_PROPOSE);
	json_write_string(writer, "index", session->url);
	json_write_string(writer, "account", propose->name);
	json_write_bool(writer, "approved", is_approved);
	json_write_array(writer, "crates");
	for (size_t i = 0; i < consignment_n(consignment); i++) {
		const struct parcel *parcel = consignment_at(consignment, i);

		json_write_object(writer, NULL);
		json_write_string(writer, "name", parcel->crate);
		json_write_string(writer, "vers", parcel->version);
		json_write_string(writer, "cksum", parcel->checksum);
		json_write_integer(writer, "size", (int64_t) parcel->size);
		json_write_bool(writer, "asked", parcel->is_asked);
		json_write_bool(writer, "listed", parcel->is_listed);
		json_write_bool(writer, "first", parcel->is_first);
		json_write_string(writer, "last", parcel->last_version);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	reply_ok_end(writer);
	session_send(session);
}

/* All is seen, and a person has said yes. The log first, then the approval is good. */
static void propose_approve(struct propose *propose) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = propose->session;
	enum refusal refusal = mandate_use(propose->mandate, false, &account);
	int r;

	if (refusal != REFUSAL_NONE) {
		propose_refuse(propose, refusal, NULL);
		return;
	}
	r = propose_audit(propose, REFUSAL_NONE);
	if (r < 0) {
		session_refuse(session, REFUSAL_AUDIT_FAILED, strerror(-r));
		return;
	}
	consignment_approve(
		session->consignment, TAKE_PTR(account), session->request->will_verify);
	propose_answer(propose, true);
}

static void propose_look(struct propose *propose);

static void propose_agreed(enum refusal refusal, void *userdata) {
	struct propose *propose = userdata;
	bool was_looked = propose->n_looked > 0;

	if (refusal != REFUSAL_NONE) {
		propose_refuse(propose, refusal, NULL);
		return;
	}
	propose->is_agreed = true;
	if (was_looked)
		propose_approve(propose);
	else
		propose_look(propose);
}

static void propose_ask(struct propose *propose) {
	struct session *session = propose->session;
	enum refusal refusal;
	int r;

	free(propose->text);
	propose->text = NULL;
	r = propose_text(session, propose->name, &propose->text);
	if (r < 0) {
		session_fail(session, r, "composing a question");
		return;
	}
	refusal = mandate_new(session, propose->name, propose->text, "Approve?", propose_agreed,
		propose, &propose->mandate);
	if (refusal != REFUSAL_NONE)
		propose_refuse(propose, refusal, NULL);
}

/* Looked at all. */
static void propose_seen(struct propose *propose) {
	if (propose->session->request->is_dry_run)
		propose_answer(propose, false);
	else if (propose->is_agreed)
		propose_approve(propose);
	else
		propose_ask(propose);
}

/* What the index lists of one crate: is there still something to do, and may it be done? */
static enum refusal propose_take(
	const struct propose *propose, struct parcel *parcel, const struct history_answer *answer) {
	bool is_same = answer->checksum && strcmp(answer->checksum, parcel->checksum) == 0;

	parcel->is_asked = answer->is_known;
	parcel->is_first = answer->is_known && answer->is_new;
	free(parcel->last_version);
	parcel->last_version = answer->last_version ? strdup(answer->last_version) : NULL;
	parcel->is_listed = is_same && propose->session->request->may_resume;
	return answer->checksum && !parcel->is_listed ? REFUSAL_VERSION_EXISTS : REFUSAL_NONE;
}

static void propose_looked(const struct history_answer *answer, void *userdata) {
	struct propose *propose = userdata;
	struct session *session = propose->session;
	struct parcel *parcel = consignment_at(session->consignment, propose->n_looked++);
	_cleanup_(freep) char *which = NULL;
	enum refusal refusal = propose_take(propose, parcel, answer);
	/* The answer lives in it; the next look begins with a new one. */
	_cleanup_(history_freep) struct history *history = TAKE_PTR(propose->history);

	(void) history;
	if (refusal == REFUSAL_NONE) {
		propose_look(propose);
		return;
	}
	if (asprintf(&which, "%s %s%s", parcel->crate, parcel->version,
		    strcmp(answer->checksum, parcel->checksum) == 0
			    ? ", with the same checksum: `--resume` passes over it"
			    : ", with another checksum") < 0)
		which = NULL;
	propose_refuse(propose, refusal, which);
}

/* The next one, or all are seen. An index that does not answer is no reason to refuse: the registry decides. */
static void propose_look(struct propose *propose) {
	static const struct history_answer silence = {0};
	struct session *session = propose->session;
	struct store *store = session->agent->store;
	const struct parcel *parcel;
	int r = 0;

	if (propose->n_looked == consignment_n(session->consignment)) {
		propose_seen(propose);
		return;
	}
	parcel = consignment_at(session->consignment, propose->n_looked);
	if (!propose->route)
		r = store_state(store) == STORE_OPEN
			    ? route_new(store, session->url, propose->name, &propose->route)
			    : -ENOKEY;
	/* A dry run without an account looks as anybody may. */
	if (r < 0 && session->request->is_dry_run)
		r = route_new_plain(session->url, &propose->route);
	if (r == 0)
		r = history_new(session->agent, propose->route, parcel->crate, parcel->version,
			propose_looked, propose, &propose->history);
	if (r == 1)
		propose_looked(&silence, propose); /* A git index: as deep as there are crates, 128. */
	else if (r < 0)
		session_fail(session, r, "asking the index");
}

static void propose_start(struct propose *propose) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = propose->session;
	enum refusal refusal;

	if (session->request->is_dry_run) {
		propose_look(propose);
		return;
	}
	if (store_state(session->agent->store) != STORE_OPEN) {
		propose_ask(propose);
		return;
	}
	refusal = mandate_find(session, propose->name, false, &account);
	if (refusal != REFUSAL_NONE)
		propose_refuse(propose, refusal, NULL);
	else if (!prompt_is_possible(session->agent, session->terminal))
		propose_ask(propose); /* Which says so, or where nobody need be asked goes on. */
	else
		propose_look(propose);
}

void propose_handle(struct session *session) {
	struct propose *propose = calloc(1, sizeof(*propose));

	if (!propose) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	propose->session = session;
	propose->name = act_account(session);
	session_set_operation(session, propose, propose_free);
	/* Whatever was approved and seen before: this is another question. */
	consignment_renew(session->consignment);
	propose_start(propose);
}
