/*
 * The token of a login, from where it comes to where it is known to be good:
 *
 *   login_take_token → login_entered → its shape (crates.io)
 *     crates.io             → login_probed: what crates.io says of it
 *     an index that wants one → login_opened: its configuration, fetched with
 *                             the token from the index's own origin only, and
 *                             a second question where its API is elsewhere
 *     any other             → nothing to try it with
 *   → login_store
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/handle/login.h"
#include "agent/handle/login_text.h"
#include "agent/pin.h"
#include "agent/probe.h"
#include "agent/prompt.h"
#include "agent/rule/shape.h"
#include "agent/session.h"
#include "agent/token_entry.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/secret.h"

void login_note(struct login *login, const char *checked, const char *detail) {
	login->checked = checked;
	free(login->check_detail);
	login->check_detail = detail ? strdup(detail) : NULL;
}

static void login_probed(
	enum refusal refusal, enum verdict verdict, const char *detail, void *userdata) {
	struct login *login = userdata;

	if (refusal != REFUSAL_NONE) {
		/* Nobody said that the token is bad. */
		login_note(login, "unknown", refusal_sentence(refusal));
		login_store(login);
		return;
	}
	switch (verdict) {
	case VERDICT_VALID:
		login_note(login, "valid", NULL);
		login_store(login);
		break;
	case VERDICT_UNKNOWN:
		login_note(login, "unknown", detail);
		login_store(login);
		break;
	case VERDICT_DEAD:
		login_refuse(login, REFUSAL_TOKEN_REJECTED,
			"crates.io does not know it: revoked, expired or mistyped");
		break;
	case VERDICT_MALFORMED:
		login_refuse(login, REFUSAL_TOKEN_REJECTED,
			"crates.io says that it is of no form that it gives out");
		break;
	case VERDICT_LOCKED:
		login_refuse(login, REFUSAL_OWNER_LOCKED, detail);
		break;
	case _VERDICT_MAX:
		break;
	}
}

static void login_agreed_elsewhere(enum refusal refusal, void *userdata) {
	struct login *login = userdata;

	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else
		login_store(login);
}

/* What was shown before the token was asked must be what the index says with it. */
static bool login_is_as_shown(const struct login *login) {
	const char *api = pin_api(login->pin), *dl = pin_dl(login->pin);

	return !api || (strcmp(api, pin_api(login->opened)) == 0 &&
			       (!dl || (pin_dl(login->opened) && strcmp(dl, pin_dl(login->opened)) == 0)));
}

static void login_said(enum refusal refusal, const struct secret *secret, void *userdata) {
	struct login *login = userdata;

	(void) secret;
	login->prompt = prompt_free(login->prompt);
	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else
		login_store(login);
}

/* Stored once it was shown, as was said; and the client writes its own lines only after that. */
static void login_say_opened(struct login *login, const char *text) {
	const struct prompt_words words = {.question = QUESTION_SAY, .text = text};
	struct session *session = login->session;
	int r;

	if (session->terminal < 0) {
		login_store(login);
		return;
	}
	r = prompt_new(session->agent, session->terminal, &words, login_said, login, &login->prompt);
	if (r < 0)
		login_cannot_ask(login, r);
}

/* The API is known only now; elsewhere than the index it has to be agreed to. */
static void login_show_opened(struct login *login) {
	_cleanup_(freep) char *text = NULL;
	struct session *session = login->session;
	int r;

	r = login_text_opened(login, &text);
	if (r < 0) {
		session_fail(session, r, "composing a question");
		return;
	}
	if (!pin_is_elsewhere(login->opened)) {
		login_say_opened(login, text);
		return;
	}
	if (login_is_agreed(login) || !prompt_is_possible(session->agent, session->terminal)) {
		login_refuse(login, REFUSAL_API_ELSEWHERE, pin_api(login->opened));
		return;
	}
	r = consent_new(session, dispatch_row(session)->act, session->terminal, text,
		session->request->is_asymmetric ? "Store the key for this API?"
						: "Store the token for this API?",
		login_agreed_elsewhere, login, &login->consent);
	if (r < 0)
		login_cannot_ask(login, r);
}

static void login_opened(enum refusal refusal, const char *detail, void *userdata) {
	struct login *login = userdata;

	if (refusal == REFUSAL_AUTH_REQUIRED)
		refusal = login->key ? REFUSAL_KEY_UNKNOWN : REFUSAL_TOKEN_REJECTED;
	if (refusal == REFUSAL_NONE && !login_is_as_shown(login)) {
		refusal = REFUSAL_INDEX_INVALID;
		detail = "with the token it names another API than without";
	}
	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, detail);
		return;
	}
	login_note(login, "valid", NULL);
	if (login->is_closed)
		login_show_opened(login);
	else
		login_store(login);
}

int login_open_index(struct login *login, const struct account *signer) {
	const struct request *request = login->session->request;
	const struct pin_ask ask = {
		.api = request->api,
		.ca_pem = request->ca_pem,
		.proxy = request->proxy,
		.allow_http = request->allow_http,
		.token = login->token,
		.signer = signer,
		.key = login->key,
	};

	return pin_new(login->session->agent, login->session->url, &ask, login_opened, login,
		&login->opened);
}

static void login_try(struct login *login) {
	struct session *session = login->session;
	const struct request *request = session->request;
	bool is_crates_io = registry_url_is_crates_io(session->url);
	int r;

	login->shape = is_crates_io ? shape_of_crates_io(login->token) : NULL;
	if (request->no_check) {
		login_note(login, "skipped", NULL);
		login_store(login);
		return;
	}
	if (login->shape) {
		login_refuse(login, REFUSAL_TOKEN_SHAPE, login->shape);
		return;
	}
	if (is_crates_io)
		r = probe_new(session->agent, pin_api(login->pin), request->ca_pem, request->proxy,
			login->token, login_probed, login, &login->probe);
	else if (login->is_auth_required)
		r = login_open_index(login, NULL);
	else {
		login_note(login, "none", NULL);
		login_store(login);
		return;
	}
	if (r < 0)
		session_fail(session, r, "trying the token");
}

static void login_entered(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata) {
	struct login *login = userdata;

	login->token = token;
	if (refusal != REFUSAL_NONE) { /* The detail is the entry's. */
		login_refuse(login, refusal, detail);
		return;
	}
	login->entry = token_entry_free(login->entry);
	login_try(login);
}

void login_take_token(struct login *login) {
	_cleanup_(freep) char *host = NULL;
	const char *api = pin_api(login->pin);
	int r;

	r = url_host(api ? api : login->session->url, &host);
	if (r == 0)
		r = token_entry_new(
			login->session, host, login_entered, login, &login->entry);
	if (r < 0)
		login_cannot_ask(login, r);
}
