/*
 * `trust`: looks at the index of an account again, shows what was pinned and what
 * it names now, and pins that, if the person agrees. CA and proxy are taken anew
 * as well. The token stays.
 *
 *   trust_handle     → the passphrase, where a token for reads would go by another CA
 *                      or proxy than was sealed: nobody has agreed to those yet
 *   trust_ask_index  → what the index names (agent/pin); with that token, if there is one
 *   trust_pinned     → the same as before: answered; else the passphrase
 *   trust_agreed     → stored and read back
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/handle/handle.h"
#include "agent/handle/login_text.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/route.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/text.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct trust {
	struct session *session;
	const char *name;
	struct account *old; /* without its token */
	struct pin *pin;
	struct consent *consent;
	bool is_way_agreed; /* to CA and proxy, before the index was asked */
	bool is_storing;
};

static void trust_free(void *operation) {
	struct trust *trust = operation;

	if (trust->is_storing)
		store_forget_callback(trust->session->agent->store, trust);
	account_free(trust->old);
	pin_free(trust->pin);
	consent_free(trust->consent);
	free(trust);
}

enum refusal trust_check(struct session *session) {
	return get_check(session);
}

static int trust_audit(const struct trust *trust, enum refusal refusal) {
	const struct session *session = trust->session;
	const struct audit_entry entry = {.op = "trust",
		.url = session->url,
		.account = trust->name,
		.refusal = refusal,
		.peer = &session->peer};

	return audit_write(session->agent->audit, &entry);
}

static void trust_refuse(struct trust *trust, enum refusal refusal, const char *detail) {
	if (trust_audit(trust, refusal) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(trust->session, refusal, detail);
}

static void trust_answer(struct trust *trust, bool is_changed) {
	struct session *session = trust->session;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_TRUST);
	json_write_string(writer, "index", session->url);
	json_write_string(writer, "account", trust->name);
	json_write_bool(writer, "changed", is_changed);
	json_write_string(writer, "api", pin_api(trust->pin));
	json_write_string(writer, "dl", pin_dl(trust->pin));
	json_write_string(writer, "old-api", trust->old->api);
	json_write_string(writer, "old-dl", trust->old->dl);
	reply_ok_end(writer);
	session_send(session);
}

static void trust_stored(int error, void *userdata) {
	struct trust *trust = userdata;
	struct session *session = trust->session;

	trust->is_storing = false;
	store_settle(session->agent, error);
	if (error < 0) {
		trust_refuse(trust, store_refusal(error), store_refusal_detail(error));
		return;
	}
	grant_drop_all(&session->agent->grants); /* They were approved for the other origin. */
	if (trust_audit(trust, REFUSAL_NONE) < 0)
		log_warning("a change of trust could not be written to the audit log");
	trust_answer(trust, true);
}

/* The account with its token, and with what is pinned from now on. */
static int trust_renew(const struct trust *trust, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	const struct request *request = trust->session->request;
	int r;

	r = store_find(trust->session->agent->store, trust->session->url, trust->name, true, &account);
	if (r == 0 && !account_is_same(trust->old, account))
		r = -EBUSY; /* It is another one than was shown. */
	if (r == 0)
		r = text_set(&account->api, pin_api(trust->pin));
	if (r == 0)
		r = text_set(&account->dl, pin_dl(trust->pin));
	if (r == 0)
		r = text_set(&account->ca_pem, request->ca_pem);
	if (r == 0)
		r = text_set(&account->proxy, request->proxy);
	if (r < 0)
		return r;
	account->is_unconfirmed = false;
	*ret = TAKE_PTR(account);
	return 0;
}

static void trust_agreed(enum refusal refusal, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct trust *trust = userdata;
	struct session *session = trust->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		trust_refuse(trust, refusal, NULL);
		return;
	}
	r = trust_renew(trust, &account);
	if (r == 0)
		r = store_put(session->agent->store, account, trust_stored, trust);
	if (r == -ENOENT)
		trust_refuse(trust, REFUSAL_ACCOUNT_UNKNOWN, trust->name);
	else if (r == -ENOKEY)
		trust_refuse(trust, REFUSAL_LOCKED, NULL);
	else if (r == -EBUSY)
		trust_refuse(trust, REFUSAL_BUSY, NULL);
	else if (r < 0)
		session_fail(session, r, "storing an account");
	else {
		trust->is_storing = true;
		session_hold(session);
	}
}

static bool is_same(const char *a, const char *b) {
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool trust_is_same_origin(const struct trust *trust) {
	return is_same(trust->old->api, pin_api(trust->pin)) &&
		is_same(trust->old->dl, pin_dl(trust->pin));
}

static bool trust_is_same_way(const struct trust *trust) {
	const struct request *request = trust->session->request;

	return is_same(trust->old->ca_pem, request->ca_pem) &&
		is_same(trust->old->proxy, request->proxy);
}

static void trust_ask(struct trust *trust, const char *question, consent_done_t done) {
	_cleanup_(freep) char *text = NULL;
	struct session *session = trust->session;
	int r;

	r = login_text_trust(session, trust->old, trust->pin, &text);
	if (r == 0)
		r = consent_new(session, dispatch_row(session)->act, session->terminal, text,
			question, done, trust, &trust->consent);
	if (r == -ENOTTY)
		trust_refuse(trust, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r == -EPERM)
		trust_refuse(trust, REFUSAL_NOT_GRANTED, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for agreement");
}

static void trust_pinned(enum refusal refusal, const char *detail, void *userdata) {
	struct trust *trust = userdata;

	if (refusal != REFUSAL_NONE)
		trust_refuse(trust, refusal, detail);
	else if (trust_is_same_origin(trust) && trust_is_same_way(trust))
		trust_answer(trust, false);
	else if (trust_is_same_origin(trust) && trust->is_way_agreed)
		trust_agreed(REFUSAL_NONE, trust);
	else
		trust_ask(trust, "Trust it?", trust_agreed);
}

static void trust_ask_index(struct trust *trust) {
	_cleanup_(route_freep) struct route *route = NULL;
	struct session *session = trust->session;
	const struct request *request = session->request;
	struct pin_ask ask = {
		.api = request->api,
		.ca_pem = request->ca_pem,
		.proxy = request->proxy,
		.allow_http = trust->old->is_plain_http,
	};
	int r;

	r = route_new(session->agent->store, session->url, trust->name, &route);
	if (r == 0) {
		ask.token = route->token;
		ask.signer = route->signer;
		r = pin_new(session->agent, session->url, &ask, trust_pinned, trust, &trust->pin);
	}
	if (r == -EINVAL)
		trust_refuse(trust, REFUSAL_BAD_URL, request->api);
	else if (r < 0)
		session_fail(session, r, "asking the index");
}

static void trust_way_agreed(enum refusal refusal, void *userdata) {
	struct trust *trust = userdata;

	trust->consent = consent_free(trust->consent);
	if (refusal != REFUSAL_NONE) {
		trust_refuse(trust, refusal, NULL);
		return;
	}
	trust->is_way_agreed = true;
	trust_ask_index(trust);
}

/* 1 if reads of this registry have a token, 0 if not. */
static int trust_has_reader(const struct trust *trust) {
	_cleanup_(account_freep) struct account *reader = NULL;
	_cleanup_(freep) char *name = account_read_name(trust->name);
	int r;

	if (!name)
		return -ENOMEM;
	if (trust->old->is_marked)
		return 1;
	r = store_find(trust->session->agent->store, trust->session->url, name, false, &reader);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

void trust_handle(struct session *session) {
	const struct request *request = session->request;
	struct trust *trust = calloc(1, sizeof(*trust));
	int r;

	if (!trust) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	trust->session = session;
	trust->name = request->account ? request->account : ACCOUNT_DEFAULT;
	session_set_operation(session, trust, trust_free);
	r = store_find(session->agent->store, session->url, trust->name, false, &trust->old);
	if (r == -ENOENT) {
		trust_refuse(trust, REFUSAL_ACCOUNT_UNKNOWN, trust->name);
		return;
	}
	if (request->proxy && !login_text_is_printable(request->proxy)) {
		trust_refuse(trust, REFUSAL_BAD_URL, "the proxy's URL");
		return;
	}
	if (r == 0)
		r = trust_has_reader(trust);
	if (r < 0)
		session_fail(session, r, "looking for an account");
	else if (r > 0 && !trust_is_same_way(trust))
		trust_ask(trust, "Ask the index that way?", trust_way_agreed);
	else
		trust_ask_index(trust);
}
