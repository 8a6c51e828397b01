/* The end of a login: the account, stored and read back, and the answer. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/handle/key_write.h"
#include "agent/handle/login.h"
#include "agent/keypair.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/text.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

static void write_account(struct json_writer *writer, const struct login *login,
	const char *api, const char *dl) {
	const struct request *request = login->session->request;

	json_write_string(
		writer, "account", request->account ? request->account : ACCOUNT_DEFAULT);
	json_write_string(writer, "for", request->for_read ? "read" : "all");
	json_write_string(writer, "index", login->session->url);
	json_write_string(writer, "api", api);
	json_write_string(writer, "dl", dl);
}

static void login_answer(struct login *login) {
	struct session *session = login->session;
	struct json_writer *writer = session_answer(session, false);
	const struct pin *pin = login_pin(login);

	reply_ok_begin(writer, KIND_LOGIN);
	write_account(writer, login, pin_api(pin), pin_dl(pin));
	json_write_bool(writer, "replaced", login->replaces);
	json_write_bool(writer, "unchanged", false);
	json_write_bool(
		writer, "readable", login->is_marked || session->request->for_read);
	json_write_string(writer, "checked", login->checked);
	json_write_string(writer, "check-detail", login->check_detail);
	json_write_string(writer, "shape", login->shape);
	key_write(writer, login->stored);
	reply_ok_end(writer);
	session_send(session);
}

void login_answer_unchanged(struct login *login, const struct account *account) {
	struct session *session = login->session;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_LOGIN);
	write_account(writer, login, account->api, account->dl);
	json_write_bool(writer, "replaced", false);
	json_write_bool(writer, "unchanged", true);
	json_write_bool(writer, "readable", account_is_readable(account));
	json_write_string(writer, "checked", "skipped");
	json_write_string(writer, "check-detail", NULL);
	json_write_string(writer, "shape", NULL);
	key_write(writer, account);
	reply_ok_end(writer);
	session_send(session);
}

/* Turned from one way into the other: for the audit log, in which that must be found. */
static const char *login_turn(const struct login *login) {
	if (!login->old || account_signs(login->old) == account_signs(login->stored))
		return NULL;
	return account_signs(login->stored) ? "signs" : "signs-no-more";
}

static void login_stored(int error, void *userdata) {
	struct login *login = userdata;
	struct session *session = login->session;
	const struct audit_entry entry = {.op = login->replaces ? "replace" : "login",
		.url = session->url,
		.account = login->name,
		.decision = login_turn(login),
		.key = account_signs(login->stored) ? login->stored->key->pid : NULL,
		.peer = &session->peer};

	login->is_storing = false;
	store_settle(session->agent, error);
	if (error < 0) {
		login_refuse(login, store_refusal(error), store_refusal_detail(error));
		return;
	}
	if (login->replaces) /* What was approved was the other credential. */
		grant_drop_all(&session->agent->grants);
	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a login could not be written to the audit log");
	login_answer(login);
}

static int login_fill(const struct login *login, struct account *account) {
	const struct request *request = login->session->request;
	int r;

	account->is_plain_http = registry_url_is_plain_http(account->url);
	account->is_closed = login->is_auth_required;
	account->is_unconfirmed = !login->replaces; /* Replacing asks for the passphrase. */
	account->is_marked = login->is_marked;
	account->added = (int64_t) time(NULL);
	account->expires = request->expires;
	r = text_set(&account->api, pin_api(login_pin(login)));
	if (r == 0)
		r = text_set(&account->dl, pin_dl(login_pin(login)));
	if (r == 0)
		r = text_set(&account->ca_pem, request->ca_pem);
	if (r == 0)
		r = text_set(&account->proxy, request->proxy);
	if (r == 0)
		r = text_set(&account->scope, request->scope);
	if (r == 0)
		r = text_set(&account->crates, request->crates);
	if (r == 0 && login->key)
		r = login_fill_key(login, account);
	return r;
}

/* Is what lies there what the question was about? A key that was not shown is never erased. */
static bool login_is_over(const struct login *login, const struct account *old) {
	return login->old ? old && account_is_same(login->old, old) : !old;
}

void login_store(struct login *login) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(account_freep) struct account *old = NULL;
	struct session *session = login->session;
	int r;

	/* Time has passed with the question: what was agreed to must be what happens. */
	r = store_find(session->agent->store, session->url, login->name, false, &old);
	if ((r == 0 || r == -ENOENT) && !login_is_over(login, old)) {
		login_refuse(login, REFUSAL_BUSY, NULL);
		return;
	}
	account = account_new(session->url, login->name);
	r = account ? login_fill(login, account) : -ENOMEM;
	if (r == 0) {
		account->token = TAKE_PTR(login->token);
		account->key = TAKE_PTR(login->key);
		login->stored = account_copy(account);
		r = login->stored ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = store_put(session->agent->store, account, login_stored, login);
	if (r == -ENOKEY)
		login_refuse(login, REFUSAL_LOCKED, NULL);
	else if (r == -EBUSY)
		login_refuse(login, REFUSAL_BUSY, NULL);
	else if (r < 0)
		session_fail(session, r, "storing an account");
	else {
		login->is_storing = true;
		session_hold(session);
	}
}
