/*
 * `login`: stores a token for a registry.
 *
 *   login_handle   → what would be pinned (agent/pin)
 *   login_pinned   → the host typed, where the registry's name is not the
 *                    user's own
 *   login_typed    → agreement: y/N, or the passphrase where a credential is
 *                    replaced
 *   login_agreed   → the token: with the request, from the pipe, or asked
 *   login_token    → stored and read back
 *   login_stored   → the answer
 *
 * A token that came with the request or in a pipe is the yes to an index that
 * the user named, but never to an API on another host, and never to replacing.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/handle/handle.h"
#include "agent/handle/login_text.h"
#include "agent/lent_secret.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/prompt.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct login {
	struct session *session;
	const char *account;
	bool replaces;
	char *text;
	struct pin *pin;
	struct prompt *prompt;
	struct consent *consent;
	struct lent_secret *reading;
	bool is_storing;
};

static void login_free(void *operation) {
	struct login *login = operation;

	if (login->is_storing)
		store_forget_callback(login->session->agent->store, login);
	pin_free(login->pin);
	prompt_free(login->prompt);
	consent_free(login->consent);
	lent_secret_free(login->reading);
	free(login->text);
	free(login);
}

static bool has_token(const struct request *request) {
	return request->token || request->secret_in_pipe;
}

/* The name was somebody else's to choose: which registry is meant has to be typed. */
static bool login_needs_host(const struct session *session) {
	return session->request->url_source == URL_SOURCE_PROJECT ||
		session->request->url_source == URL_SOURCE_ENVIRONMENT;
}

enum refusal login_check(struct session *session) {
	if (registry_url_canonical(session->request->index_url, &session->url) < 0)
		return REFUSAL_BAD_URL;
	return store_trouble(session->agent);
}

static void login_refuse(struct login *login, enum refusal refusal, const char *detail) {
	struct session *session = login->session;
	const struct audit_entry entry = {.op = "login",
		.url = session->url,
		.account = login->account,
		.refusal = refusal,
		.peer = &session->peer};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(session, refusal, detail);
}

/* For a negative errno of something that asks. */
static void login_cannot_ask(struct login *login, int error) {
	if (error == -ENOTTY)
		login_refuse(login, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (error == -EPERM)
		login_refuse(login, REFUSAL_NOT_GRANTED, NULL);
	else
		session_fail(login->session, error, "asking");
}

static void login_answer(struct login *login) {
	struct session *session = login->session;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_LOGIN);
	json_write_string(writer, "account", login->account);
	json_write_string(writer, "index", session->url);
	json_write_string(writer, "api", pin_api(login->pin));
	json_write_string(writer, "dl", pin_dl(login->pin));
	json_write_bool(writer, "replaced", login->replaces);
	reply_ok_end(writer);
	session_send(session);
}

static void login_stored(int error, void *userdata) {
	struct login *login = userdata;
	struct session *session = login->session;
	const struct audit_entry entry = {.op = login->replaces ? "replace" : "login",
		.url = session->url,
		.account = login->account,
		.peer = &session->peer};

	login->is_storing = false;
	if (error == -ESTALE) /* What was approved under the old state is not any more. */
		agent_lock(session->agent, "the store was changed by another program");
	if (error < 0) {
		login_refuse(login,
			error == -ESTALE ? REFUSAL_STORE_CHANGED : REFUSAL_STORE_FAILED,
			strerror(-error));
		return;
	}
	if (login->replaces) /* What was approved was the other credential. */
		grant_drop_all(&session->agent->grants);
	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a login could not be written to the audit log");
	login_answer(login);
}

static int copy_text(char **to, const char *from) {
	free(*to);
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int login_fill(const struct login *login, struct account *account) {
	const struct request *request = login->session->request;
	int r;

	account->is_plain_http = registry_url_is_plain_http(account->url);
	account->added = (int64_t) time(NULL);
	r = copy_text(&account->api, pin_api(login->pin));
	if (r == 0)
		r = copy_text(&account->dl, pin_dl(login->pin));
	if (r == 0)
		r = copy_text(&account->ca_pem, request->ca_pem);
	if (r == 0)
		r = copy_text(&account->proxy, request->proxy);
	return r;
}

/* Takes the token over. */
static void login_token(struct login *login, struct secret *token) {
	_cleanup_(secret_freep) struct secret *taken = token;
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(account_freep) struct account *old = NULL;
	struct session *session = login->session;
	int r;

	if (!token_is_valid(secret_peek(taken), secret_size(taken))) {
		login_refuse(login, REFUSAL_BAD_TOKEN, NULL);
		return;
	}
	/* Time has passed with the question: what was agreed to must be what happens. */
	r = store_find(session->agent->store, session->url, login->account, false, &old);
	if ((r == 0) != login->replaces && (r == 0 || r == -ENOENT)) {
		login_refuse(login, REFUSAL_BUSY, NULL);
		return;
	}
	account = account_new(session->url, login->account);
	r = account ? login_fill(login, account) : -ENOMEM;
	if (r == 0) {
		account->token = TAKE_PTR(taken);
		r = store_put(session->agent->store, account, login_stored, login);
	}
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

static void login_token_read(enum refusal refusal, struct secret *secret, void *userdata) {
	struct login *login = userdata;

	login->reading = lent_secret_free(login->reading);
	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else
		login_token(login, secret);
}

static void login_token_typed(
	enum refusal refusal, const struct secret *secret, void *userdata) {
	struct login *login = userdata;
	struct secret *token = NULL;

	if (refusal == REFUSAL_NONE && !secret)
		refusal = REFUSAL_BAD_TOKEN;
	if (refusal == REFUSAL_NONE &&
		secret_from(secret_peek(secret), secret_size(secret), &token) < 0)
		refusal = REFUSAL_NO_MEMORY;
	/* The prompt's answer holds a copy. */
	login->prompt = prompt_free(login->prompt);
	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else
		login_token(login, token);
}

static int login_ask_token(struct login *login) {
	_cleanup_(freep) char *host = NULL;
	_cleanup_(freep) char *prompt = NULL;
	struct prompt_words words = {.question = QUESTION_SECRET};
	struct session *session = login->session;
	int r;

	r = url_host(pin_api(login->pin), &host);
	if (r < 0)
		return r;
	if (asprintf(&prompt, "Token for %s (not shown, ^C cancels): ", host) < 0)
		return -ENOMEM;
	words.prompt = prompt;
	return prompt_new(session->agent, session->terminal, &words, login_token_typed, login,
		&login->prompt);
}

static void login_agreed(enum refusal refusal, void *userdata) {
	struct login *login = userdata;
	struct request *request = login->session->request;
	int r = 0;

	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, NULL);
		return;
	}
	login->consent = consent_free(login->consent);
	if (request->token)
		login_token(login, TAKE_PTR(request->token));
	else if (request->secret_in_pipe)
		r = lent_secret_new(login->session, login_token_read, login, &login->reading);
	else
		r = login_ask_token(login);
	if (r == -EBADF)
		login_refuse(login, REFUSAL_BAD_DESCRIPTOR, NULL);
	else if (r < 0)
		login_cannot_ask(login, r);
}

/*
 * Is a token given with the request the yes? From our own command line it is.
 * cargo says nothing of where the name comes from: there it is only where
 * nobody can be asked.
 */
static bool login_is_agreed(const struct login *login) {
	const struct session *session = login->session;

	if (login->replaces || !has_token(session->request))
		return false;
	return session->request->url_source != URL_SOURCE_UNKNOWN ||
		!prompt_is_possible(session->agent, session->terminal);
}

static void login_ask(struct login *login) {
	struct session *session = login->session;
	enum act act = login->replaces ? ACT_REPLACE : dispatch_row(session)->act;
	int r;

	if (login_is_agreed(login)) {
		if (pin_is_elsewhere(login->pin))
			login_refuse(login, REFUSAL_API_ELSEWHERE, pin_api(login->pin));
		else
			login_agreed(REFUSAL_NONE, login);
		return;
	}
	r = consent_new(session->agent, act, session->terminal, login->text,
		"Log in there?", login_agreed, login, &login->consent);
	if (r < 0)
		login_cannot_ask(login, r);
}

static void login_typed(enum refusal refusal, const struct secret *secret, void *userdata) {
	struct login *login = userdata;

	(void) secret; /* The host; worker-ask has compared it. */
	login->prompt = prompt_free(login->prompt);
	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else if (login->replaces)
		login_ask(login);
	else
		login_agreed(REFUSAL_NONE, login);
}

static void login_ask_host(struct login *login) {
	_cleanup_(freep) char *host = NULL;
	struct session *session = login->session;
	struct prompt_words words = {.question = QUESTION_TYPE,
		.text = login->text,
		.prompt = "Type the index's host to go on (^C cancels): "};
	int r;

	r = url_host(session->url, &host);
	words.expect = host;
	if (r == 0)
		r = prompt_new(session->agent, session->terminal, &words, login_typed, login,
			&login->prompt);
	if (r < 0)
		login_cannot_ask(login, r);
}

static void login_pinned(enum refusal refusal, const char *detail, void *userdata) {
	struct login *login = userdata;
	struct session *session = login->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, detail);
		return;
	}
	r = login_text(session, login->account, login->replaces, login->pin, &login->text);
	if (r < 0) {
		session_fail(session, r, "composing a question");
		return;
	}
	if (login_needs_host(session))
		login_ask_host(login);
	else
		login_ask(login);
}

/* Nobody could be asked for a token, an agreement, a passphrase: say so before the network is. */
static bool login_is_possible(const struct login *login) {
	const struct session *session = login->session;

	return prompt_is_possible(session->agent, session->terminal) || login_is_agreed(login);
}

/*
 * cargo's login tells neither CA nor proxy, and who says otherwise in its name
 * is not heard. Where it replaces a credential, what was sealed with that holds on.
 */
static int login_inherit(struct session *session, const struct account *old) {
	struct request *request = session->request;
	int r;

	if (request->url_source != URL_SOURCE_UNKNOWN)
		return 0;
	request->allow_http = old && old->is_plain_http;
	r = copy_text(&request->ca_pem, old ? old->ca_pem : NULL);
	if (r == 0)
		r = copy_text(&request->ca_file, "as sealed with this account");
	if (r == 0)
		r = copy_text(&request->proxy, old ? old->proxy : NULL);
	if (r == 0)
		r = copy_text(&request->api, NULL);
	return r;
}

void login_handle(struct session *session) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct login *login = calloc(1, sizeof(*login));
	int r;

	if (!login) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	login->session = session;
	login->account = session->request->account ? session->request->account : ACCOUNT_DEFAULT;
	session_set_operation(session, login, login_free);
	r = store_find(session->agent->store, session->url, login->account, false, &account);
	if (r < 0 && r != -ENOENT) {
		session_fail(session, r, "looking for an account");
		return;
	}
	login->replaces = r == 0;
	r = login_inherit(session, account);
	if (r < 0) {
		session_fail(session, r, "looking for an earlier login");
		return;
	}
	if (login_needs_host(session) && has_token(session->request)) {
		login_refuse(login, REFUSAL_NAME_UNTRUSTED, session->request->url_file);
		return;
	}
	if (!login_is_possible(login)) {
		login_refuse(login, REFUSAL_NEEDS_TERMINAL, NULL);
		return;
	}
	if (session->request->proxy && !login_text_is_printable(session->request->proxy)) {
		login_refuse(login, REFUSAL_BAD_URL, "the proxy's URL");
		return;
	}
	r = pin_new(session->agent, session->url, session->request, login_pinned, login,
		&login->pin);
	if (r == -EINVAL)
		login_refuse(login, REFUSAL_BAD_URL, session->request->api);
	else if (r < 0)
		session_fail(session, r, "asking the index");
}
