/*
 * `get`: what cargo asks for.
 *
 *   read                    → a placeholder: cargo holds no token while it
 *                             compiles strangers' code
 *   publish, yank, unyank,  → approval, then the token
 *   owners
 *
 * The order for an act is: is it ours (get_check); is there such an account; is
 * it granted already; approval by the person (which also unlocks a locked
 * store); the audit line; and only then is the token opened.
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
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/prompt.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct get {
	struct session *session;
	const char *account;
	/* The process that started the provider; pid -1 if it could not be pinned. */
	struct peer cargo;
	char *text;
	struct consent *consent;
	struct passphrase *passphrase;
};

static void get_free(void *operation) {
	struct get *get = operation;

	consent_free(get->consent);
	passphrase_free(get->passphrase);
	peer_done(&get->cargo);
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
	if (refusal != REFUSAL_NONE)
		return refusal;
	return store_has_url(session->agent->store, session->url) ? REFUSAL_NONE
								    : REFUSAL_NOT_FOUND;
}

static int get_audit(const struct get *get, enum refusal refusal) {
	const struct session *session = get->session;
	const struct request *request = session->request;
	const struct audit_entry entry = {
		.op = operation_name(request->operation),
		.url = session->url,
		.account = get->account,
		.crate = request->crate,
		.version = request->version,
		.checksum = request->checksum,
		.refusal = refusal,
		.peer = &session->peer,
	};

	return audit_write(session->agent->audit, &entry);
}

static void get_refuse(struct get *get, enum refusal refusal, const char *detail) {
	if (get_audit(get, refusal) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(get->session, refusal, detail);
}

static bool get_is_publish(const struct get *get) {
	return get->session->request->operation == OPERATION_PUBLISH;
}

/* From now on this cargo run may publish more crates of the same release. */
static void get_grant(struct get *get) {
	struct session *session = get->session;
	const struct request *request = session->request;
	struct peer cargo = get->cargo;
	int r;

	if (!get_is_publish(get) || cargo.pidfd < 0)
		return;
	get->cargo = PEER_NULL;
	r = grant_add(&session->agent->grants, session->agent->event, session->url, get->account,
		cargo, request->crate, request->version, session->terminal,
		agent_now_usec(session->agent));
	if (r < 0)
		log_warning("a grant was not kept, the next crate is asked for again");
}

/* A release that was written down in a grant and did not happen after all. */
static void get_take_back(const struct get *get) {
	const struct session *session = get->session;

	if (get_is_publish(get) && get->cargo.pidfd >= 0)
		grant_take_back(&session->agent->grants, session->url, get->account, &get->cargo,
			session->request->crate, session->request->version);
}

/* All is decided. The audit line first, then the secret. */
static void get_release(struct get *get, bool was_asked) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = get->session;
	int r;

	r = get_audit(get, REFUSAL_NONE);
	if (r < 0) {
		log_warning("the audit log could not be written: %s", strerror(-r));
		get_take_back(get);
		session_refuse(session, REFUSAL_AUDIT_FAILED, strerror(-r));
		return;
	}
	if (was_asked)
		get_grant(get);
	r = store_find(session->agent->store, session->url, get->account, true, &account);
	if (r == -ENOKEY)
		session_refuse(session, REFUSAL_LOCKED, NULL);
	else if (r == -EBADMSG)
		session_refuse(session, REFUSAL_STORE_DAMAGED, NULL);
	else if (r < 0)
		session_fail(session, r, "opening an account");
	else {
		reply_token(session_answer(session, true), secret_peek(account->token),
			secret_size(account->token));
		session_send(session);
	}
}

static void get_approved(enum refusal refusal, void *userdata) {
	struct get *get = userdata;

	if (refusal != REFUSAL_NONE) {
		get_refuse(get, refusal, NULL);
		return;
	}
	get_release(get, true);
}

/* The one passphrase has unlocked the store and approved; is there such an account? */
static void get_unlocked(enum refusal refusal, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct get *get = userdata;
	struct session *session = get->session;

	if (refusal == REFUSAL_NONE &&
		store_find(session->agent->store, session->url, get->account, false, &account) ==
			-ENOENT)
		refusal = REFUSAL_ACCOUNT_UNKNOWN;
	get_approved(refusal, get);
}

static void write_act(FILE *out, const struct request *request) {
	switch (request->operation) {
	case OPERATION_PUBLISH:
		fprintf(out, "cpub-agent: approve publish?\n");
		break;
	case OPERATION_YANK:
		fprintf(out, "cpub-agent: approve yank?\n");
		break;
	case OPERATION_UNYANK:
		fprintf(out, "cpub-agent: approve un-yank?\n");
		break;
	case OPERATION_OWNERS:
		/* cargo's request is the same for all three. */
		fprintf(out, "cpub-agent: approve listing or changing owners?\n");
		break;
	case OPERATION_READ:
	case _OPERATION_MAX:
	case _OPERATION_INVALID:
		break;
	}
}

/* What the person sees. Every part was checked to be printable. */
static int get_compose(struct get *get) {
	const struct session *session = get->session;
	const struct request *request = session->request;
	_cleanup_(freep) char *who = peer_describe(&session->peer);
	size_t size;
	FILE *out;

	out = open_memstream(&get->text, &size);
	if (!out)
		return -ENOMEM;
	write_act(out, request);
	fprintf(out, "  registry  %s\n", session->url);
	fprintf(out, "  account   %s\n", get->account);
	fprintf(out, "  crate     %s%s%s\n", request->crate, request->version ? " " : "",
		request->version ? request->version : "");
	if (request->checksum)
		fprintf(out, "  sha256    %s\n", request->checksum);
	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
	if (get_is_publish(get))
		fprintf(out, "The passphrase covers everything that this cargo run publishes in "
			     "10 minutes.\n");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

/* Asks the person: to unlock and approve at once, or to approve. */
static void get_ask(struct get *get) {
	struct session *session = get->session;
	struct agent *agent = session->agent;
	bool is_open = store_state(agent->store) == STORE_OPEN;
	int r;

	r = get_compose(get);
	if (r < 0) {
		session_fail(session, r, "composing a question");
		return;
	}
	if (is_open)
		r = consent_new(agent, dispatch_row(session)->act, session->terminal, get->text,
			"Approve?", get_approved, get, &get->consent);
	else
		r = passphrase_new(agent, PASSPHRASE_UNLOCK, session->terminal, get->text, NULL,
			get_unlocked, get, &get->passphrase);
	if (r == -ENOTTY)
		get_refuse(get, is_open ? REFUSAL_NEEDS_TERMINAL : REFUSAL_LOCKED, NULL);
	else if (r == -EPERM)
		get_refuse(get, REFUSAL_NOT_GRANTED, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for approval");
}

/* Told on the terminal of the grant: an approval that nobody sees used is no approval. */
static void get_say(const struct get *get, int terminal, const char *what) {
	const struct request *request = get->session->request;
	_cleanup_(freep) char *text = NULL;

	if (asprintf(&text, "cpub-agent: %s %s %s\n", what, request->crate, request->version) >= 0)
		prompt_say(get->session->agent, terminal, text);
}

/* Is this publish covered by an approval of the same cargo run? */
static bool get_use_grant(struct get *get) {
	struct session *session = get->session;
	const struct request *request = session->request;
	_cleanup_(fd_closep) int terminal = -1;
	enum grant_answer answer;

	if (!get_is_publish(get) || get->cargo.pidfd < 0)
		return false;
	answer = grant_use(&session->agent->grants, session->url, get->account, &get->cargo,
		request->crate, request->version, agent_now_usec(session->agent), &terminal);
	switch (answer) {
	case GRANT_NONE:
		return false;
	case GRANT_COVERED:
		get_say(get, terminal, "covered by your approval, releasing the token for");
		get_release(get, false);
		return true;
	case GRANT_REPEATED:
		log_warning("the token for '%s' '%s' was asked for twice in one cargo run",
			request->crate, request->version);
		get_say(get, terminal, "ALARM: asked a second time and refused:");
		get_refuse(get, REFUSAL_RELEASE_REPEATED, NULL);
		return true;
	}
	return false;
}

static void get_act(struct get *get) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = get->session;
	int r;

	if (store_state(session->agent->store) == STORE_OPEN) {
		r = store_find(
			session->agent->store, session->url, get->account, false, &account);
		if (r == -ENOENT) {
			get_refuse(get, REFUSAL_ACCOUNT_UNKNOWN, get->account);
			return;
		}
		if (r < 0) {
			session_fail(session, r, "looking for an account");
			return;
		}
		if (get_use_grant(get))
			return;
	}
	get_ask(get);
}

static void get_placeholder(struct session *session) {
	reply_token(session_answer(session, false), REPLY_PLACEHOLDER, strlen(REPLY_PLACEHOLDER));
	session_send(session);
}

/* The store is open. Headers are anybody's to write: they never release a token. */
static void get_read(struct get *get) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = get->session;
	int r;

	r = store_find(session->agent->store, session->url, get->account, false, &account);
	if (r == -ENOENT)
		session_refuse(session, REFUSAL_ACCOUNT_UNKNOWN, get->account);
	else if (r < 0)
		session_fail(session, r, "looking for an account");
	else if (session->request->has_headers)
		session_refuse(session, REFUSAL_READ_AUTH_NOT_AGREED, NULL);
	else
		get_placeholder(session);
}

static void get_opened(enum refusal refusal, void *userdata) {
	struct get *get = userdata;

	if (refusal != REFUSAL_NONE)
		session_refuse(get->session, refusal, NULL);
	else
		get_read(get);
}

/* Locked: the passphrase is asked now, before the build, while the person is there. */
static void get_open(struct get *get) {
	struct session *session = get->session;
	_cleanup_(freep) char *who = NULL;
	_cleanup_(freep) char *text = NULL;
	int r;

	if (store_state(session->agent->store) == STORE_OPEN) {
		get_read(get);
		return;
	}
	who = peer_describe(&session->peer);
	if (asprintf(&text,
		    "cpub-agent: cargo is about to use your registry credentials.\n"
		    "  registry  %s\n"
		    "  asked by  %s (claimed)\n",
		    session->url, who ? who : "?") < 0) {
		text = NULL;
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	r = passphrase_new(session->agent, PASSPHRASE_UNLOCK, session->terminal, text, NULL,
		get_opened, get, &get->passphrase);
	if (r == -ENOTTY)
		session_refuse(session, REFUSAL_LOCKED, NULL);
	else if (r < 0)
		session_fail(session, r, "unlocking");
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
	session_set_operation(session, get, get_free);
	if (session->request->operation == OPERATION_READ) {
		get_open(get);
		return;
	}
	/* Without it there is no grant, and each crate is asked for. */
	(void) peer_parent(&session->peer, &get->cargo);
	get_act(get);
}
