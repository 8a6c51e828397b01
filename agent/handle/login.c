/*
 * `login`: stores a token for a registry.
 *
 *   login_handle → what would be pinned (agent/pin)
 *   login_pinned → the host typed, where the registry's name is not the
 *                  user's own
 *   login_typed  → agreement: y/N, or the passphrase where a credential is
 *                  replaced
 *   login_agreed → login_take_token (login_try.c) → login_store (login_store.c)
 *
 * A token that came with the request is the yes to an index that the user
 * named, but never to an API on another host, and never to replacing.
 */

#include "login.h"

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
#include "agent/keypair.h"
#include "agent/lent_secret.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/probe.h"
#include "agent/prompt.h"
#include "agent/rule/expiry.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/text.h"
#include "agent/token_entry.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/secret.h"

static void login_free(void *operation) {
	struct login *login = operation;

	if (login->is_storing)
		store_forget_callback(login->session->agent->store, login);
	pin_free(login->pin);
	pin_free(login->opened);
	probe_free(login->probe);
	prompt_free(login->prompt);
	consent_free(login->consent);
	token_entry_free(login->entry);
	secret_free(login->token);
	lent_secret_free(login->pipe);
	keymaker_free(login->keymaker);
	keypair_free(login->key);
	account_free(login->old);
	account_free(login->stored);
	free(login->token_page);
	free(login->check_detail);
	free(login->text);
	free(login->name);
	free(login);
}

const struct pin *login_pin(const struct login *login) {
	return login->opened ? login->opened : login->pin;
}

/* The name was somebody else's to choose: which registry is meant has to be typed. */
static bool login_needs_host(const struct session *session) {
	return session->request->url_source == URL_SOURCE_PROJECT ||
		session->request->url_source == URL_SOURCE_ENVIRONMENT;
}

/* What cargo keeps for one registry is never stored, and so never sent, to another. */
static bool is_of_registry(const char *cargo_url, const char *url) {
	_cleanup_(freep) char *canonical = NULL;

	return registry_url_canonical(cargo_url, &canonical) == 0 && strcmp(canonical, url) == 0;
}

enum refusal login_check(struct session *session) {
	const struct request *request = session->request;

	if (registry_url_canonical(request->index_url, &session->url) < 0)
		return REFUSAL_BAD_URL;
	if (request->secret_in_keyring && !is_of_registry(request->secret_in_keyring, session->url))
		return REFUSAL_BAD_URL;
	return store_trouble(session->agent);
}

void login_refuse(struct login *login, enum refusal refusal, const char *detail) {
	struct session *session = login->session;
	const struct audit_entry entry = {.op = "login",
		.url = session->url,
		.account = login->name,
		.refusal = refusal,
		.peer = &session->peer};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(session, refusal, detail);
}

void login_cannot_ask(struct login *login, int error) {
	if (error == -ENOTTY)
		login_refuse(login, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (error == -EBADF)
		login_refuse(login, REFUSAL_BAD_DESCRIPTOR, NULL);
	else if (error == -ENXIO)
		login_refuse(login, REFUSAL_KEYRING_UNREACHABLE, NULL);
	else if (error == -EPERM)
		login_refuse(login, REFUSAL_NOT_GRANTED, NULL);
	else
		session_fail(login->session, error, "asking");
}

static void login_agreed(enum refusal refusal, void *userdata) {
	struct login *login = userdata;

	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, NULL);
		return;
	}
	login->consent = consent_free(login->consent);
	if (login->session->request->is_asymmetric)
		login_take_key(login);
	else
		login_take_token(login);
}

/*
 * From our own command line it is. cargo says nothing of where the name comes
 * from: there it is only where nobody can be asked.
 */
bool login_is_agreed(const struct login *login) {
	const struct session *session = login->session;

	if (login->replaces || !token_entry_is_given(session->request))
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
	r = consent_new(session, act, session->terminal, login->text,
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

/* Who may read with it, now that the index has told whether reads need a token. */
static enum refusal login_mark(struct login *login, bool is_auth_required) {
	const struct request *request = login->session->request;

	login->is_auth_required = is_auth_required;
	if (request->for_read && !is_auth_required && !request->no_check)
		return REFUSAL_READ_NOT_NEEDED;
	login->is_marked = is_auth_required && !request->for_read && !login->has_reader;
	return REFUSAL_NONE;
}

static void login_pinned(enum refusal refusal, const char *detail, void *userdata) {
	struct login *login = userdata;
	struct session *session = login->session;
	int r;

	login->is_closed = refusal == REFUSAL_AUTH_REQUIRED;
	if (login->is_closed && detail) {
		login->token_page = strdup(detail);
		if (!login->token_page)
			refusal = REFUSAL_NO_MEMORY;
	}
	if (refusal == REFUSAL_NONE || refusal == REFUSAL_AUTH_REQUIRED)
		refusal = login_mark(
			login, login->is_closed || pin_is_auth_required(login->pin));
	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, detail);
		return;
	}
	r = login_text(login, &login->text);
	if (r < 0) {
		session_fail(session, r, "composing a question");
		return;
	}
	if (login_needs_host(session))
		login_ask_host(login);
	else
		login_ask(login);
}

/*
 * cargo's login tells neither CA nor proxy, and who says otherwise in its name
 * is not heard. Where it replaces a credential, what was sealed with that holds on, if
 * the passphrase confirmed it: a program can store an account with a CA and a proxy of
 * its own, answer y on a terminal of its own, and wait for the login.
 */
static int login_inherit(struct session *session, const struct account *old) {
	struct request *request = session->request;
	int r;

	if (request->url_source != URL_SOURCE_UNKNOWN)
		return 0;
	request->allow_http = old && old->is_plain_http;
	if (old && old->is_unconfirmed)
		old = NULL;
	request->no_check = false;
	r = text_set(&request->ca_pem, old ? old->ca_pem : NULL);
	if (r == 0)
		r = text_set(&request->ca_file, "as sealed with this account");
	if (r == 0)
		r = text_set(&request->proxy, old ? old->proxy : NULL);
	if (r == 0)
		r = text_set(&request->api, NULL);
	return r;
}

/* A key that is replaced cannot be had again; and a token gives way to one only if that was meant. */
static bool login_loses_key(const struct login *login) {
	return account_signs(login->old) || login->session->request->is_asymmetric;
}

/* What can be said before anybody is asked and the network is touched. */
static enum refusal login_precheck(const struct login *login) {
	const struct session *session = login->session;
	const struct request *request = session->request;
	bool is_given = token_entry_is_given(request);

	if (expiry_is_over(request->expires, (int64_t) time(NULL)))
		return REFUSAL_TOKEN_EXPIRED;
	if (request->for_read && registry_url_is_crates_io(session->url))
		return REFUSAL_READ_NOT_NEEDED;
	if (request->is_asymmetric && registry_url_is_crates_io(session->url) && !request->no_check)
		return REFUSAL_SIGNING_NOT_TAKEN;
	if (login_needs_host(session) && is_given)
		return REFUSAL_NAME_UNTRUSTED;
	if (login->replaces && (is_given || login_loses_key(login)) && !request->replace &&
		request->url_source != URL_SOURCE_UNKNOWN)
		return REFUSAL_ACCOUNT_EXISTS;
	/* Its reads are signed as well: a token beside it would be sent in their place. */
	if (request->for_read && !request->is_asymmetric && login->is_of_signer)
		return REFUSAL_ACCOUNT_SIGNS;
	if (request->is_asymmetric && !request->for_read && login->has_reader_token)
		return REFUSAL_ACCOUNT_SIGNS;
	/* A token, an agreement, a passphrase. */
	if (!prompt_is_possible(session->agent, session->terminal) && !login_is_agreed(login))
		return REFUSAL_NEEDS_TERMINAL;
	if (request->proxy && !login_text_is_printable(request->proxy))
		return REFUSAL_BAD_URL;
	return REFUSAL_NONE;
}

/* What the refusals of the precheck are about. */
static const char *login_detail(const struct login *login, enum refusal refusal) {
	const struct request *request = login->session->request;

	if (refusal == REFUSAL_NAME_UNTRUSTED)
		return request->url_file;
	if (refusal == REFUSAL_BAD_URL)
		return "the proxy's URL";
	if (refusal == REFUSAL_ACCOUNT_EXISTS && account_signs(login->old))
		return "its key is shown by `cpub-agent key show`, and lost if it is replaced";
	if (refusal == REFUSAL_ACCOUNT_SIGNS && request->is_asymmetric)
		return "its credential for reads is a token; remove that first, by "
		       "`cpub-agent logout --for read`";
	return NULL;
}

static void login_begin(struct login *login) {
	struct session *session = login->session;
	const struct request *request = session->request;
	const struct pin_ask ask = {
		.api = request->api,
		.ca_pem = request->ca_pem,
		.proxy = request->proxy,
		.allow_http = request->allow_http,
		.no_check = request->no_check,
	};
	enum refusal refusal = login_precheck(login);
	int r;

	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, login_detail(login, refusal));
		return;
	}
	r = pin_new(session->agent, session->url, &ask, login_pinned, login, &login->pin);
	if (r == -EINVAL)
		login_refuse(login, REFUSAL_BAD_URL, request->api);
	else if (r < 0)
		session_fail(session, r, "asking the index");
}

/*
 * A token from a file or the keyring, for an account that is there: perhaps it is the same, and all is well.
 * Else it is taken again when somebody has agreed.
 */
static void login_compared(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(secret_freep) struct secret *taken = token;
	struct login *login = userdata;
	struct session *session = login->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		login_refuse(login, refusal, detail);
		return;
	}
	login->entry = token_entry_free(login->entry);
	r = store_find(session->agent->store, session->url, login->name, true, &account);
	if (r == 0 && !account_signs(account) && secret_equal(account->token, taken))
		login_answer_unchanged(login, account);
	else
		login_begin(login);
}

/* Of the account, whatever else it has: does it sign? */
static int login_look_at_account(struct login *login, const char *name) {
	_cleanup_(account_freep) struct account *account = NULL;
	int r = store_find(login->session->agent->store, login->session->url, name, false, &account);

	login->is_of_signer = r == 0 && account_signs(account);
	return r == -ENOENT ? 0 : r;
}

static int login_find(struct login *login) {
	_cleanup_(account_freep) struct account *reader = NULL;
	_cleanup_(freep) char *read_name = NULL;
	struct session *session = login->session;
	const struct store *store = session->agent->store;
	const char *name = session->request->account;
	int r;

	if (!name)
		name = ACCOUNT_DEFAULT;
	read_name = account_read_name(name);
	login->name = session->request->for_read ? TAKE_PTR(read_name) : strdup(name);
	if (!login->name || (!session->request->for_read && !read_name))
		return -ENOMEM;
	if (read_name) {
		r = store_find(store, session->url, read_name, false, &reader);
		if (r < 0 && r != -ENOENT)
			return r;
		login->has_reader = r == 0;
		login->has_reader_token = r == 0 && !account_signs(reader);
	}
	r = login_look_at_account(login, name);
	if (r < 0)
		return r;
	r = store_find(store, session->url, login->name, false, &login->old);
	if (r < 0 && r != -ENOENT)
		return r;
	login->replaces = r == 0;
	return login_inherit(session, login->old);
}

void login_handle(struct session *session) {
	struct login *login = calloc(1, sizeof(*login));
	int r;

	if (!login) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	login->session = session;
	session_set_operation(session, login, login_free);
	r = login_find(login);
	if (r < 0) {
		session_fail(session, r, "looking for an account");
		return;
	}
	if (!login->replaces || !token_entry_is_lasting(session->request)) {
		login_begin(login);
		return;
	}
	r = token_entry_new(session, "", login_compared, login, &login->entry);
	if (r < 0)
		login_cannot_ask(login, r);
}
