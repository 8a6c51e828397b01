/*
 * `get`: what cargo asks for. `read` is in get_read.c; here are the acts: publish,
 * yank, unyank, owners.
 *
 *   get_check    → is it ours?
 *   get_act      → is there such an account; is its token over; is the act
 *                  granted already?
 *   get_look     → what the index lists of the crate (publish)
 *   get_ask      → approval by the person, which also unlocks a locked store
 *   get_compare  → does the index still name the origin that was pinned?
 *   get_release  → the audit line; and only then is the token opened, or one signed
 */

#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/alarm.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/handle/get_text.h"
#include "agent/handle/handle.h"
#include "agent/history.h"
#include "agent/keypair.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/origin.h"
#include "agent/passphrase.h"
#include "agent/prompt.h"
#include "agent/route.h"
#include "agent/rule/expiry.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/secret.h"

static void get_free(void *operation) {
	struct get *get = operation;

	history_free(get->history);
	origin_free(get->origin);
	route_free(get->route);
	account_free(get->agreed);
	consent_free(get->consent);
	passphrase_free(get->passphrase);
	signing_free(get->signing);
	peer_done(&get->cargo);
	(void) fd_close(get->terminal);
	free(get->text);
	free(get);
}

enum refusal get_check(struct session *session) {
	enum refusal refusal;

	/* Odd URLs are nobody's; known even while locked. */
	if (registry_url_canonical(session->request->index_url, &session->url) < 0)
		return REFUSAL_NOT_FOUND;
	refusal = store_trouble(session->agent);
	if (refusal == REFUSAL_NO_STORE)
		return REFUSAL_NOT_FOUND;
	/* A keyring can be locked or away for long; whose a URL is has been noted for that. */
	if (refusal != REFUSAL_NONE)
		return store_may_have_url(session->agent->store, session->url) ? refusal
									      : REFUSAL_NOT_FOUND;
	return store_has_url(session->agent->store, session->url) ? REFUSAL_NONE
								    : REFUSAL_NOT_FOUND;
}

int get_audit(const struct get *get, const struct account *account, enum refusal refusal) {
	const struct session *session = get->session;
	const struct request *request = session->request;
	const struct audit_entry entry = {
		.op = operation_name(request->operation),
		.url = session->url,
		.account = get->account,
		.crate = request->crate,
		.version = request->version,
		.checksum = request->checksum,
		.key = account && account_signs(account) ? account->key->pid : NULL,
		.refusal = refusal,
		.peer = &session->peer,
	};

	return audit_write(session->agent->audit, &entry);
}

void get_refuse(struct get *get, enum refusal refusal, const char *detail) {
	if (get_audit(get, NULL, refusal) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(get->session, refusal, detail);
}

/* A release that was written down in a grant and does not happen after all. */
static void get_take_back(const struct get *get) {
	const struct session *session = get->session;

	if (get->is_covered)
		grant_take_back(&session->agent->grants, session->url, get->account, &get->cargo,
			session->request->crate, session->request->version);
}

void get_undo(struct get *get, enum refusal refusal, const char *detail) {
	get_take_back(get);
	get_refuse(get, refusal, detail);
}

/* An index that told nothing at login, since nobody knew the key yet, is compared with nothing. */
static enum refusal get_check_pin(const struct account *account) {
	return account->is_closed && !account->api ? REFUSAL_UNPINNED : REFUSAL_NONE;
}

/* What was agreed to, as long as it is that account still: token or key, API, CA and all. */
static enum refusal get_find_agreed(struct get *get, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	enum refusal refusal = get_find(get, get->account, &account);

	if (refusal != REFUSAL_NONE)
		return refusal;
	if (!get->agreed || !account_is_same(get->agreed, account))
		return REFUSAL_NOT_APPROVED;
	refusal = get_check_pin(account);
	if (refusal == REFUSAL_NONE)
		*ret = TAKE_PTR(account);
	return refusal;
}

static void get_signed(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(secret_freep) struct secret *taken = token;

	/* It took its time, and a grant is for this account as well. */
	if (refusal == REFUSAL_NONE)
		refusal = get_find_agreed(userdata, &account);
	if (refusal == REFUSAL_NONE)
		get_give(userdata, taken);
	else
		get_undo(userdata, refusal, detail);
}

/* All is decided. The audit line first, then the secret. */
static void get_release(struct get *get) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(account_freep) struct account *opened = NULL;
	struct session *session = get->session;
	enum refusal refusal = get_find_agreed(get, &account);
	int r;

	if (refusal != REFUSAL_NONE) {
		get_undo(get, refusal, get->account);
		return;
	}
	r = get_audit(get, account, REFUSAL_NONE);
	if (r < 0) {
		log_warning("the audit log could not be written: %s", strerror(-r));
		get_take_back(get);
		session_refuse(session, REFUSAL_AUDIT_FAILED, strerror(-r));
		return;
	}
	if (account_signs(account))
		get_sign(get, account, get_signed);
	else if (get_open_token(get, get->account, &opened) == 0)
		get_give(get, opened->token);
}

static void get_compared(enum refusal refusal, const char *detail, void *userdata) {
	struct get *get = userdata;

	if (refusal != REFUSAL_NONE)
		get_undo(get, refusal, detail);
	else
		get_release(get);
}

/* REFUSAL_NONE and *ret (caller frees) for an account whose token may be used. */
enum refusal get_find(struct get *get, const char *name, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = get->session;
	int r = store_find(session->agent->store, session->url, name, false, &account);

	if (r < 0)
		return mandate_find_refusal(r);
	if (expiry_is_over(account->expires, (int64_t) time(NULL)))
		return REFUSAL_TOKEN_EXPIRED;
	*ret = TAKE_PTR(account);
	return REFUSAL_NONE;
}

/*
 * Approved. Is there still such an account, or, of a store that was locked, at all? And cargo
 * sends the token where the index says: is that where it was at login?
 */
static void get_compare(struct get *get) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = get->session;
	enum refusal refusal = get_find_agreed(get, &account);
	int r;

	if (refusal != REFUSAL_NONE) {
		get_undo(get, refusal, get->account);
		return;
	}
	get->route = route_free(get->route);
	r = route_new_approved(session->agent->store, session->url, get->account, &get->route);
	if (r == 0)
		r = origin_new(session->agent, get->route, get_compared, get, &get->origin);
	get->route = route_free(get->route);
	if (r == 1) {
		get_release(get);
	} else if (r < 0) {
		get_take_back(get);
		session_fail(session, r, "comparing the index with what was pinned");
	}
}

static void get_approved(enum refusal refusal, void *userdata) {
	struct get *get = userdata;

	if (refusal != REFUSAL_NONE)
		get_refuse(get, refusal, NULL);
	else
		get_compare(get);
}

/* Nothing could be shown of the account: it is the one that lies there now. */
static void get_unlocked(enum refusal refusal, void *userdata) {
	struct get *get = userdata;

	if (refusal == REFUSAL_NONE)
		refusal = get_find(get, get->account, &get->agreed);
	get_approved(refusal, get);
}

/* Asks the person: to unlock and approve at once, or to approve. */
static void get_ask(struct get *get, const struct history_answer *history) {
	struct session *session = get->session;
	struct agent *agent = session->agent;
	bool is_open = store_state(agent->store) == STORE_OPEN;
	int r;

	/* What is shown is what is agreed to; it may be another one than before the look. */
	get->agreed = account_free(get->agreed);
	r = is_open ? store_find(agent->store, session->url, get->account, false, &get->agreed) : 0;
	if (r < 0) {
		get_refuse(get, mandate_find_refusal(r), get->account);
		return;
	}
	r = get_text(session, get->account, get->agreed, history, &get->text);
	if (r < 0) {
		session_fail(session, r, "composing a question");
		return;
	}
	if (is_open)
		r = consent_new(session, dispatch_row(session)->act, session->terminal, get->text,
			"Approve?", get_approved, get, &get->consent);
	else
		r = passphrase_new(session, PASSPHRASE_UNLOCK, session->terminal, get->text, NULL,
			get_unlocked, get, &get->passphrase);
	if (r == -ENOTTY)
		get_refuse(get, is_open ? REFUSAL_NEEDS_TERMINAL : REFUSAL_LOCKED, NULL);
	else if (r == -EPERM)
		get_refuse(get, REFUSAL_NOT_GRANTED, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for approval");
}

static void get_looked(const struct history_answer *history, void *userdata) {
	get_ask(userdata, history);
}

/* What the index lists of the crate, so that the person sees whether this is the first publish. */
static void get_look(struct get *get) {
	struct session *session = get->session;
	int r = 1;

	/* Nobody will see it, or the account's way to the index is still sealed. */
	if (get_is_publish(get) && store_state(session->agent->store) == STORE_OPEN &&
		prompt_is_possible(session->agent, session->terminal)) {
		r = route_new(
			session->agent->store, session->url, get->account, &get->route);
		if (r == 0)
			r = history_new(session->agent, get->route, session->request->crate, NULL,
				get_looked, get, &get->history);
		get->route = route_free(get->route);
	}
	if (r != 0) /* A question without it is better than none. */
		get_ask(get, NULL);
}

/* Is this publish covered by an approval of the same cargo run? */
static bool get_use_grant(struct get *get) {
	struct session *session = get->session;
	const struct request *request = session->request;
	enum grant_answer answer;

	if (!get_is_publish(get) || get->cargo.pidfd < 0)
		return false;
	(void) fd_close(get->terminal);
	get->terminal = -1;
	answer = grant_use(&session->agent->grants, session->url, get->account, &get->cargo,
		request->crate, request->version, agent_now_usec(session->agent), &get->terminal);
	switch (answer) {
	case GRANT_NONE:
		return false;
	case GRANT_COVERED:
		get->is_covered = true;
		get_compare(get);
		return true;
	case GRANT_REPEATED:
		alarm_raise(session->agent, get->terminal, REFUSAL_RELEASE_REPEATED, session->url,
			request->crate, request->version);
		get_refuse(get, REFUSAL_RELEASE_REPEATED, NULL);
		return true;
	}
	return false;
}

static void get_act(struct get *get) {
	enum refusal refusal;

	if (store_state(get->session->agent->store) == STORE_OPEN) {
		refusal = get_find(get, get->account, &get->agreed);
		if (refusal == REFUSAL_NONE)
			refusal = get_check_pin(get->agreed);
		if (refusal != REFUSAL_NONE) {
			get_refuse(get, refusal, get->account);
			return;
		}
		if (get_use_grant(get))
			return;
	}
	get_look(get);
}

void get_handle(struct session *session) {
	struct get *get = calloc(1, sizeof(*get));

	if (!get) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	get->session = session;
	get->account = session->request->account ? session->request->account : ACCOUNT_DEFAULT;
	get->cargo = PEER_NULL;
	get->terminal = -1;
	session_set_operation(session, get, get_free);
	if (session->request->operation == OPERATION_READ) {
		get_read(get);
		return;
	}
	/* Without it there is no grant, and each crate is asked for. */
	(void) peer_parent(&session->peer, &get->cargo);
	get_act(get);
}
