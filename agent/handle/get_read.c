/*
 * `get` with `read`: what cargo asks for before it compiles strangers' code. The
 * answer is a placeholder, unless the person agreed at login that reads of this
 * registry get a real token. Headers are anybody's to write: they never release one.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/handle/get.h"
#include "agent/handle/get_text.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/rule/expiry.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

static void get_send_placeholder(struct session *session) {
	reply_token(session_answer(session, false), REPLY_PLACEHOLDER, strlen(REPLY_PLACEHOLDER),
		false);
	session_send(session);
}

/* cargo may keep it for reads until it exits, and asks again for any act. */
static void get_give_reader(struct get *get, const struct secret *token) {
	struct session *session = get->session;

	reply_token(session_answer(session, true), secret_peek(token), secret_size(token), true);
	session_send(session);
}

static void get_signed_reader(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata) {
	_cleanup_(secret_freep) struct secret *taken = token;

	if (refusal == REFUSAL_NONE)
		get_give_reader(userdata, taken);
	else
		get_refuse(userdata, refusal, detail);
}

/* `reader` is the account, or its credential for reads alone; without its token. */
static void get_send_reader(struct get *get, const struct account *reader) {
	_cleanup_(account_freep) struct account *opened = NULL;
	struct session *session = get->session;
	int r = get_audit(get, reader, REFUSAL_NONE);

	if (r < 0) {
		log_warning("the audit log could not be written: %s", strerror(-r));
		session_refuse(session, REFUSAL_AUDIT_FAILED, strerror(-r));
		return;
	}
	if (account_signs(reader))
		get_sign(get, reader, get_signed_reader);
	else if (get_open_token(get, reader->name, &opened) == 0)
		get_give_reader(get, opened->token);
}

/* There is no credential for reads alone: the account's own, if that was agreed to. */
static void get_read_account(struct get *get) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = get->session;
	int r = store_find(session->agent->store, session->url, get->account, false, &account);

	if (r == -ENOENT)
		session_refuse(session, REFUSAL_ACCOUNT_UNKNOWN, get->account);
	else if (r < 0)
		session_fail(session, r, "looking for an account");
	else if (account->is_marked && expiry_is_over(account->expires, (int64_t) time(NULL)))
		get_refuse(get, REFUSAL_TOKEN_EXPIRED, NULL);
	else if (account->is_marked)
		get_send_reader(get, account);
	/* cargo shows no headers where it has cached that a token is wanted. */
	else if (session->request->has_headers || account->is_closed)
		session_refuse(session, REFUSAL_READ_AUTH_NOT_AGREED,
			account_signs(account) ? "cpub-agent login --for read --asymmetric" : NULL);
	else
		get_send_placeholder(session);
}

/* The store is open. */
static void get_answer_read(struct get *get) {
	_cleanup_(account_freep) struct account *reader = NULL;
	_cleanup_(freep) char *name = account_read_name(get->account);
	enum refusal refusal;

	if (!name) {
		session_refuse(get->session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	refusal = get_find(get, name, &reader);
	if (refusal == REFUSAL_ACCOUNT_UNKNOWN)
		get_read_account(get);
	else if (refusal != REFUSAL_NONE)
		get_refuse(get, refusal, NULL);
	else
		get_send_reader(get, reader);
}

static void get_opened(enum refusal refusal, void *userdata) {
	struct get *get = userdata;

	if (refusal != REFUSAL_NONE)
		session_refuse(get->session, refusal, NULL);
	else
		get_answer_read(get);
}

/* Locked: the passphrase is asked now, before the build, while the person is there. */
void get_read(struct get *get) {
	struct session *session = get->session;
	int r;

	if (store_state(session->agent->store) == STORE_OPEN) {
		get_answer_read(get);
		return;
	}
	r = get_text_unlock(session, &get->text);
	if (r == 0)
		r = passphrase_new(session, PASSPHRASE_UNLOCK, session->terminal, get->text,
			NULL, get_opened, get, &get->passphrase);
	if (r == -ENOTTY)
		session_refuse(session, REFUSAL_LOCKED, NULL);
	else if (r < 0)
		session_fail(session, r, "unlocking");
}
