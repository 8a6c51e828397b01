/*
 * `revoke`: ends a token at its registry, and then takes it out of the store. It tells
 * what the registry said and no more: only its own words count as revoked or dead.
 *
 *   revoke_agreed → the request, with exactly the token that the question was about
 *   revoke_told   → revoked, or dead already: erased. Not revoked: kept, unless it is to be
 *                   forgotten. Nobody knows: kept in any case
 *   revoke_erased
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/deed.h"
#include "agent/dispatch.h"
#include "agent/handle/act.h"
#include "agent/handle/act_text.h"
#include "agent/handle/handle.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct revoke {
	struct session *session;
	char *name; /* perhaps of the credential for reads alone */
	char *text;
	uint64_t generation; /* of the store when it was asked */
	bool had_reader;     /* with the account goes its credential for reads, which is not revoked */
	struct consent *consent;
	struct deed *deed;
	const char *outcome;
	enum refusal code;
	char *detail;
	bool is_erasing, is_erased;
};

static void revoke_free(void *operation) {
	struct revoke *revoke = operation;

	if (revoke->is_erasing)
		store_forget_callback(revoke->session->agent->store, revoke);
	consent_free(revoke->consent);
	deed_free(revoke->deed);
	free(revoke->detail);
	free(revoke->text);
	free(revoke->name);
	free(revoke);
}

static void revoke_refuse(struct revoke *revoke, enum refusal refusal) {
	act_refuse(revoke->session, "revoke", revoke->name, NULL, refusal);
}

/* Where a person revokes a token by hand. NULL where we do not know. */
static const char *settings_page(const struct session *session) {
	return registry_url_is_crates_io(session->url) ? CRATES_IO_API "/settings/tokens" : NULL;
}

static void revoke_answer(struct revoke *revoke) {
	struct session *session = revoke->session;
	struct json_writer *writer = session_answer(session, false);
	bool is_plain = revoke->code == REFUSAL_NONE;

	reply_ok_begin(writer, KIND_REVOKE);
	json_write_string(writer, "index", session->url);
	json_write_bytes(writer, "account", revoke->name, strcspn(revoke->name, "/"));
	json_write_string(writer, "for", session->request->for_read ? "read" : "all");
	json_write_string(writer, "outcome", revoke->outcome);
	json_write_bool(writer, "erased", revoke->is_erased);
	json_write_bool(writer, "reader-erased", revoke->is_erased && revoke->had_reader);
	json_write_string(writer, "code", is_plain ? NULL : refusal_name(revoke->code));
	json_write_string(writer, "message", is_plain ? NULL : refusal_sentence(revoke->code));
	json_write_string(writer, "detail", revoke->detail);
	json_write_string(writer, "url", settings_page(session));
	reply_ok_end(writer);
	session_send(session);
}

static void revoke_erased(int error, void *userdata) {
	struct revoke *revoke = userdata;
	struct session *session = revoke->session;
	const struct audit_entry entry = {
		.op = "logout",
		.url = session->url,
		.account = revoke->name,
		.refusal = store_refusal(error),
		.peer = &session->peer,
	};

	revoke->is_erasing = false;
	revoke->is_erased = error == 0;
	store_settle(session->agent, error);
	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a logout could not be written to the audit log");
	if (error == 0)
		grant_drop_all(&session->agent->grants);
	if (error < 0 && revoke->code == REFUSAL_NONE)
		revoke->code = store_refusal(error);
	revoke_answer(revoke);
}

static void revoke_erase(struct revoke *revoke) {
	struct session *session = revoke->session;
	int r;

	/* Another token may lie there by now, which nobody has asked about. */
	if (store_generation(session->agent->store) != revoke->generation)
		r = -EBUSY;
	else
		r = store_erase(session->agent->store, session->url, revoke->name, revoke_erased,
			revoke);
	if (r == 0) {
		revoke->is_erasing = true;
		return;
	}
	if (revoke->code == REFUSAL_NONE)
		revoke->code = r == -ENOKEY ? REFUSAL_LOCKED : refusal_from_errno(r);
	revoke_answer(revoke);
}

/*
 * The registry has said in its own words that it does not revoke it. That it was asked too often,
 * takes no changes for the moment, or has moved, is no such word; nor is a gateway's page.
 */
static bool is_declined(const struct deed_result *result) {
	bool has_words = result->detail && strncmp(result->detail, "HTTP ", 5) != 0;

	return result->outcome == OUTCOME_REFUSED && result->status > 0 &&
	       (result->code == REFUSAL_TOKEN_SCOPE || result->code == REFUSAL_OWNER_LOCKED ||
		       (result->code == REFUSAL_REGISTRY_REFUSED && has_words));
}

static void revoke_told(const struct deed_result *result, void *userdata) {
	struct revoke *revoke = userdata;
	bool is_dead = result->outcome == OUTCOME_REFUSED && result->code == REFUSAL_TOKEN_UNKNOWN;
	bool is_gone = result->outcome == OUTCOME_DONE || is_dead;
	bool is_told = is_declined(result);

	revoke->detail = result->detail ? strdup(result->detail) : NULL;
	revoke->code = is_gone ? REFUSAL_NONE : result->code;
	if (result->outcome == OUTCOME_DONE)
		revoke->outcome = "revoked";
	else if (is_dead)
		revoke->outcome = "dead";
	else
		revoke->outcome = result->outcome == OUTCOME_REFUSED ? "not-revoked" : "unknown";
	if (is_gone || (is_told && revoke->session->request->forget))
		revoke_erase(revoke);
	else if (result->outcome == OUTCOME_REFUSED && result->status == 0)
		session_refuse(revoke->session, result->code, result->detail);
	else
		revoke_answer(revoke);
}

static enum refusal revoke_find(const struct revoke *revoke, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	const struct session *session = revoke->session;
	int r = store_find(
		session->agent->store, session->url, revoke->name, with_token, &account);

	if (r == -ENOENT)
		return REFUSAL_ACCOUNT_UNKNOWN;
	if (r == -ENOKEY)
		return REFUSAL_LOCKED;
	if (r < 0)
		return r == -EBADMSG ? REFUSAL_STORE_DAMAGED : refusal_from_errno(r);
	if (account_signs(account))
		return REFUSAL_NOTHING_TO_REVOKE;
	if (!account->api) /* One that is over can be revoked, but one that goes nowhere cannot. */
		return REFUSAL_UNPINNED;
	*ret = TAKE_PTR(account);
	return REFUSAL_NONE;
}

static void revoke_agreed(enum refusal refusal, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct revoke *revoke = userdata;
	struct session *session = revoke->session;
	struct deed_ask ask = {
		.errand = ERRAND_REVOKE, .op = "revoke", .terminal = -1, .session = session};
	int r;

	/* The token that it was asked about, and none that was stored meanwhile. */
	if (refusal == REFUSAL_NONE &&
		store_generation(session->agent->store) != revoke->generation)
		refusal = REFUSAL_BUSY;
	if (refusal == REFUSAL_NONE)
		refusal = revoke_find(revoke, true, &account);
	if (refusal != REFUSAL_NONE) {
		revoke_refuse(revoke, refusal);
		return;
	}
	ask.account = account;
	r = deed_new(session->agent, &session->peer, &ask, NULL, revoke_told, revoke, &revoke->deed);
	if (r < 0)
		revoke_refuse(revoke,
			r == -EACCES ? REFUSAL_AUDIT_FAILED : refusal_from_errno(r));
}

static int revoke_text(struct revoke *revoke) {
	const struct session *session = revoke->session;
	size_t size;
	FILE *out = open_memstream(&revoke->text, &size);

	if (!out)
		return -ENOMEM;
	act_text_begin(out, session, "revoking a token at its registry", revoke->name);
	act_text_end(out, session);
	if (revoke->had_reader)
		fprintf(out, "With it goes the account's token for reads, which is not revoked; for that "
			     "one first: --for read.\n");
	if (session->request->forget)
		fprintf(out, "It is removed from the store even if the registry does not revoke it.\n");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* The names and what the store has under them. */
static enum refusal revoke_prepare(struct revoke *revoke) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(account_freep) struct account *reader = NULL;
	_cleanup_(freep) char *read_name = NULL;
	struct session *session = revoke->session;
	enum refusal refusal;

	read_name = account_read_name(act_account(session));
	revoke->name = session->request->for_read ? TAKE_PTR(read_name)
						    : strdup(act_account(session));
	if (!revoke->name)
		return REFUSAL_NO_MEMORY;
	revoke->generation = store_generation(session->agent->store);
	refusal = revoke_find(revoke, false, &account);
	if (refusal != REFUSAL_NONE)
		return refusal;
	revoke->had_reader = read_name && store_find(session->agent->store, session->url,
						  read_name, false, &reader) == 0;
	return revoke_text(revoke) < 0 ? REFUSAL_NO_MEMORY : REFUSAL_NONE;
}

void revoke_handle(struct session *session) {
	struct revoke *revoke = calloc(1, sizeof(*revoke));
	enum refusal refusal;
	int r;

	if (!revoke) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	revoke->session = session;
	session_set_operation(session, revoke, revoke_free);
	refusal = revoke_prepare(revoke);
	if (refusal != REFUSAL_NONE) {
		revoke_refuse(revoke, refusal);
		return;
	}
	r = consent_new(session, dispatch_row(session)->act, session->terminal, revoke->text,
		"Revoke?", revoke_agreed, revoke, &revoke->consent);
	if (r == -ENOTTY)
		revoke_refuse(revoke, REFUSAL_NEEDS_TERMINAL);
	else if (r == -EPERM)
		revoke_refuse(revoke, REFUSAL_NOT_GRANTED);
	else if (r < 0)
		session_fail(session, r, "asking before a token is revoked");
}
