/*
 * The key of a login, instead of a token: made, or taken from a pipe; then, where the
 * index wants a token for reads and the key may be known there, tried.
 *
 *   login_take_key → login_key_given → login_key_read → login_try_key → login_store
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/handle/login.h"
#include "agent/keypair.h"
#include "agent/lent_secret.h"
#include "agent/session.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/secret.h"

/*
 * As cargo names the registry, which compares it: of a sparse index with a slash at its end, since
 * cargo takes no other (cargo, src/sources/registry/http_remote.rs). Caller frees.
 */
static char *index_url_for_tokens(const char *index_url) {
	bool is_sparse = strncmp(index_url, "sparse+", strlen("sparse+")) == 0;
	size_t size = strlen(index_url);
	char *url;

	if (!is_sparse || index_url[size - 1] == '/')
		return strdup(index_url);
	return asprintf(&url, "%s/", index_url) < 0 ? NULL : url;
}

int login_fill_key(const struct login *login, struct account *account) {
	const struct request *request = login->session->request;

	account->footer_key = request->wants_kid ? FOOTER_KID : FOOTER_KIP;
	account->index = index_url_for_tokens(request->index_url);
	if (request->subject)
		account->subject = strdup(request->subject);
	return account->index && (!request->subject || account->subject) ? 0 : -ENOMEM;
}

/* As it will be stored, but for what is private and what nobody asks for to try it. */
static struct account *login_key_account(const struct login *login) {
	_cleanup_(account_freep) struct account *account =
		account_new(login->session->url, login->name);

	if (!account || login_fill_key(login, account) < 0)
		return NULL;
	account->key = keypair_copy(login->key, false);
	return account->key ? TAKE_PTR(account) : NULL;
}

static void login_try_key(struct login *login) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = login->session;
	int r;

	if (session->request->no_check) {
		login_note(login, "skipped", NULL);
		login_store(login);
		return;
	}
	if (!login->is_auth_required) {
		login_note(login, "none", NULL);
		login_store(login);
		return;
	}
	if (!session->request->secret_in_pipe) { /* Nobody can know it yet. */
		login_note(login, "unregistered", NULL);
		login_store(login);
		return;
	}
	account = login_key_account(login);
	r = account ? login_open_index(login, account) : -ENOMEM;
	if (r < 0)
		session_fail(session, r, "trying the key");
}

static void login_key_read(enum refusal refusal, struct keypair *pair, void *userdata) {
	struct login *login = userdata;

	login->key = pair;
	login->keymaker = keymaker_free(login->keymaker);
	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else
		login_try_key(login);
}

static void login_make_key(struct login *login, const struct secret *given) {
	int r = keymaker_new(
		login->session->agent, given, login_key_read, login, &login->keymaker);

	if (r < 0)
		session_fail(login->session, r, given ? "reading a key" : "making a key");
}

static void login_key_given(enum refusal refusal, struct secret *secret, void *userdata) {
	_cleanup_(secret_freep) struct secret *given = secret;
	struct login *login = userdata;

	login->pipe = lent_secret_free(login->pipe);
	if (refusal != REFUSAL_NONE)
		login_refuse(login, refusal, NULL);
	else
		login_make_key(login, given);
}

void login_take_key(struct login *login) {
	struct session *session = login->session;
	int r;

	if (!session->request->secret_in_pipe) {
		login_make_key(login, NULL);
		return;
	}
	r = lent_secret_new(session, KEY_TEXT_MAX, login_key_given, login, &login->pipe);
	if (r < 0)
		login_cannot_ask(login, r);
}
