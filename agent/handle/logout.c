/* `logout`: takes accounts out of the store. The registry is not told. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/handle/handle.h"
#include "agent/keypair.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct logout {
	struct session *session;
	char *account; /* perhaps its credential for reads alone */
	struct consent *consent;
	/* What is removed, for the answer. */
	struct account **accounts;
	size_t n_accounts;
	uint64_t generation; /* of the store when it was asked */
	bool is_erasing;
};

static void logout_free(void *operation) {
	struct logout *logout = operation;

	if (logout->is_erasing)
		store_forget_callback(logout->session->agent->store, logout);
	consent_free(logout->consent);
	for (size_t i = 0; i < logout->n_accounts; i++)
		account_free(logout->accounts[i]);
	free(logout->accounts);
	free(logout->account);
	free(logout);
}

enum refusal logout_check(struct session *session) {
	enum refusal refusal = store_trouble(session->agent);

	if (session->request->all && !session->request->index_url)
		return refusal;
	if (registry_url_canonical(session->request->index_url, &session->url) < 0)
		return REFUSAL_NOT_FOUND;
	if (refusal == REFUSAL_NO_STORE)
		return REFUSAL_NOT_FOUND;
	if (refusal != REFUSAL_NONE)
		return store_may_have_url(session->agent->store, session->url) ? refusal
									      : REFUSAL_NOT_FOUND;
	return store_has_url(session->agent->store, session->url) ? REFUSAL_NONE
								    : REFUSAL_NOT_FOUND;
}

static void logout_audit(const struct logout *logout, enum refusal refusal) {
	struct session *session = logout->session;

	for (size_t i = 0; i < logout->n_accounts; i++) {
		const struct audit_entry entry = {.op = "logout",
			.url = logout->accounts[i]->url,
			.account = logout->accounts[i]->name,
			.refusal = refusal,
			.peer = &session->peer};

		if (audit_write(session->agent->audit, &entry) < 0)
			log_warning("a logout could not be written to the audit log");
	}
}

static void write_name(struct json_writer *writer, const struct account *account) {
	json_write_bytes(
		writer, "account", account->name, (size_t) account_given_size(account));
	json_write_string(writer, "for", account_is_for_read(account) ? "read" : "all");
	json_write_string(writer, "type", account_signs(account) ? "asymmetric" : "bearer");
	json_write_string(writer, "pid", account_signs(account) ? account->key->pid : NULL);
}

static void logout_erased(int error, void *userdata) {
	struct logout *logout = userdata;
	struct session *session = logout->session;
	struct json_writer *writer;

	logout->is_erasing = false;
	store_settle(session->agent, error);
	if (error < 0) {
		logout_audit(logout, store_refusal(error));
		session_refuse(session, store_refusal(error), store_refusal_detail(error));
		return;
	}
	logout_audit(logout, REFUSAL_NONE);
	grant_drop_all(&session->agent->grants);
	writer = session_answer(session, false);
	reply_ok_begin(writer, KIND_LOGOUT);
	json_write_array(writer, "accounts");
	for (size_t i = 0; i < logout->n_accounts; i++) {
		json_write_object(writer, NULL);
		json_write_string(writer, "index", logout->accounts[i]->url);
		write_name(writer, logout->accounts[i]);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
	reply_ok_end(writer);
	session_send(session);
}

static void logout_agreed(enum refusal refusal, void *userdata) {
	struct logout *logout = userdata;
	struct session *session = logout->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		logout_audit(logout, refusal);
		session_refuse(session, refusal, NULL);
		return;
	}
	/* `--all` means those that were there when it was asked. */
	if (store_generation(session->agent->store) != logout->generation) {
		session_refuse(session, REFUSAL_BUSY, NULL);
		return;
	}
	r = store_erase(session->agent->store, session->url,
		session->request->all ? NULL : logout->account, logout_erased, logout);
	if (r == -ENOKEY)
		session_refuse(session, REFUSAL_LOCKED, NULL);
	else if (r == -EBUSY)
		session_refuse(session, REFUSAL_BUSY, NULL);
	else if (r < 0)
		session_fail(session, r, "removing an account");
	else {
		logout->is_erasing = true;
		session_hold(session);
	}
}

static int logout_add(struct logout *logout, struct account *account) {
	struct account **accounts;

	accounts = reallocarray(logout->accounts, logout->n_accounts + 1, sizeof(*accounts));
	if (!accounts) {
		account_free(account);
		return -ENOMEM;
	}
	logout->accounts = accounts;
	logout->accounts[logout->n_accounts++] = account;
	return 0;
}

static int logout_collect_one(struct logout *logout, const char *name) {
	const struct session *session = logout->session;
	struct account *account;
	int r = store_find(session->agent->store, session->url, name, false, &account);

	return r < 0 ? r : logout_add(logout, account);
}

/* With an account goes its credential for reads; `r` is what came of the account itself. */
static int logout_collect_both(struct logout *logout, const char *read_name, int r) {
	int other = logout_collect_one(logout, read_name);

	return other == -ENOENT ? r : other;
}

/* Which accounts go. -ENOENT if the named one is not there. */
static int logout_collect(struct logout *logout) {
	_cleanup_(freep) char *read_name = NULL;
	const struct session *session = logout->session;
	const struct store *store = session->agent->store;
	struct account *account;
	int r = 0;

	logout->generation = store_generation(store);
	if (!session->request->all) {
		r = logout_collect_one(logout, logout->account);
		if (session->request->for_read || (r < 0 && r != -ENOENT))
			return r;
		read_name = account_read_name(logout->account);
		return read_name ? logout_collect_both(logout, read_name, r) : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < store_n_accounts(store); i++) {
		r = store_at(store, i, &account);
		if (r == 0 && session->url && strcmp(account->url, session->url) != 0)
			account_free(account);
		else if (r == 0)
			r = logout_add(logout, account);
	}
	return r;
}

/* More than these nobody reads, and a question has its limit (FIELDS_MAX). */
#define SHOWN_MAX 100

static bool logout_has_key(const struct logout *logout) {
	for (size_t i = 0; i < logout->n_accounts; i++) {
		if (account_signs(logout->accounts[i]))
			return true;
	}
	return false;
}

static int logout_compose(const struct logout *logout, char **ret) {
	_cleanup_(freep) char *who = peer_describe(&logout->session->peer);
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	fprintf(out, "cpub-agent: remove from the store?\n");
	for (size_t i = 0; i < logout->n_accounts && i < SHOWN_MAX; i++)
		fprintf(out, "  %s (account %.*s%s)\n", logout->accounts[i]->url,
			account_given_size(logout->accounts[i]), logout->accounts[i]->name,
			account_is_for_read(logout->accounts[i]) ? ", for reads alone" : "");
	if (logout_has_key(logout))
		fprintf(out, "A KEY is erased with an account that signs: there is no other copy of it here.\n");
	if (logout->n_accounts > SHOWN_MAX)
		fprintf(out, "  and %zu more\n", logout->n_accounts - SHOWN_MAX);
	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static void logout_ask(struct logout *logout) {
	_cleanup_(freep) char *text = NULL;
	struct session *session = logout->session;
	int r;

	r = logout_compose(logout, &text);
	if (r == 0)
		r = consent_new(session, dispatch_row(session)->act, session->terminal,
			text, "Remove?", logout_agreed, logout, &logout->consent);
	if (r == -ENOTTY)
		session_refuse(session, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for agreement");
}

static void logout_refuse_unknown(const struct logout *logout, const char *name) {
	_cleanup_(freep) char *detail = NULL;

	/* Not by the name that it has in the store. Without memory it goes without. */
	if (asprintf(&detail, "%s%s", name,
		    logout->session->request->for_read ? ", for reads alone" : "") < 0)
		detail = NULL;
	session_refuse(logout->session, REFUSAL_ACCOUNT_UNKNOWN, detail);
}

void logout_handle(struct session *session) {
	struct logout *logout = calloc(1, sizeof(*logout));
	const char *name;
	int r;

	if (!logout) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	logout->session = session;
	session_set_operation(session, logout, logout_free);
	name = session->request->account ? session->request->account : ACCOUNT_DEFAULT;
	logout->account = session->request->for_read ? account_read_name(name) : strdup(name);
	r = logout->account ? logout_collect(logout) : -ENOMEM;
	if (r == -ENOENT)
		logout_refuse_unknown(logout, name);
	else if (r == 0 && logout->n_accounts == 0)
		session_refuse(session, REFUSAL_NOT_FOUND, NULL);
	else if (r < 0)
		session_fail(session, r, "looking for an account");
	else
		logout_ask(logout);
}
