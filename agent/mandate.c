#include "mandate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/passphrase.h"
#include "agent/rule/expiry.h"
#include "agent/session.h"
#include "agent/store/store.h"

struct mandate {
	struct mandate *next, **link;
	struct session *session;
	char *name;
	/*
	 * For whom it is, without the token: of an open store the one that the question showed, of a
	 * locked one the one that was there when it opened.
	 */
	struct account *account;
	bool is_over;
	struct consent *consent;
	struct passphrase *passphrase;
	mandate_done_t done;
	void *userdata;
};

enum refusal mandate_find_refusal(int error) {
	switch (error) {
	case -ENOENT:
		return REFUSAL_ACCOUNT_UNKNOWN;
	case -ENOKEY:
		return REFUSAL_LOCKED;
	case -EBADMSG:
		return REFUSAL_STORE_DAMAGED;
	default:
		return refusal_from_errno(error);
	}
}

enum refusal mandate_find(
	const struct session *session, const char *name, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	int r = store_find(session->agent->store, session->url, name, with_token, &account);

	if (r < 0)
		return mandate_find_refusal(r);
	if (expiry_is_over(account->expires, (int64_t) time(NULL)))
		return REFUSAL_TOKEN_EXPIRED;
	if (!account->api)
		return REFUSAL_UNPINNED;
	*ret = TAKE_PTR(account);
	return REFUSAL_NONE;
}

static void mandate_asked(enum refusal refusal, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct mandate *mandate = userdata;

	if (refusal == REFUSAL_NONE && mandate->account)
		refusal = mandate_use(mandate, false, &account);
	else if (refusal == REFUSAL_NONE)
		refusal = mandate_find(
			mandate->session, mandate->name, false, &mandate->account);
	/* They hold the terminal, which is the person's again. */
	mandate->consent = consent_free(mandate->consent);
	mandate->passphrase = passphrase_free(mandate->passphrase);
	mandate->done(refusal, mandate->userdata);
}

enum refusal mandate_use(
	const struct mandate *mandate, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	enum refusal refusal = REFUSAL_LOCKED;

	if (!mandate->is_over)
		refusal = mandate_find(mandate->session, mandate->name, with_token, &account);
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (!account_is_same(mandate->account, account))
		return REFUSAL_NOT_APPROVED;
	*ret = TAKE_PTR(account);
	return REFUSAL_NONE;
}

void mandate_lock_all(struct agent *agent) {
	for (struct mandate *mandate = agent->mandates; mandate; mandate = mandate->next)
		mandate->is_over = true;
}

/* Says that it is not there, or may not be used, before anybody is asked. */
static enum refusal mandate_ask_open(
	struct mandate *mandate, const char *text, const char *question) {
	struct session *session = mandate->session;
	enum refusal refusal = mandate_find(session, mandate->name, false, &mandate->account);
	int r;

	if (refusal != REFUSAL_NONE)
		return refusal;
	r = consent_new(session, dispatch_row(session)->act, session->terminal, text, question,
		mandate_asked, mandate, &mandate->consent);
	if (r == -ENOTTY)
		return REFUSAL_NEEDS_TERMINAL;
	if (r == -EPERM)
		return REFUSAL_NOT_GRANTED;
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static enum refusal mandate_ask_locked(struct mandate *mandate, const char *text) {
	struct session *session = mandate->session;
	int r = passphrase_new(session, PASSPHRASE_UNLOCK, session->terminal, text, NULL,
		mandate_asked, mandate, &mandate->passphrase);

	if (r == -ENOTTY)
		return REFUSAL_LOCKED;
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

enum refusal mandate_new(struct session *session, const char *name, const char *text,
	const char *question, mandate_done_t done, void *userdata, struct mandate **ret) {
	_cleanup_(mandate_freep) struct mandate *mandate = calloc(1, sizeof(*mandate));
	enum refusal refusal;

	if (!mandate)
		return REFUSAL_NO_MEMORY;
	mandate->session = session;
	mandate->done = done;
	mandate->userdata = userdata;
	mandate->name = strdup(name);
	if (!mandate->name)
		return REFUSAL_NO_MEMORY;
	mandate->next = session->agent->mandates;
	mandate->link = &session->agent->mandates;
	if (mandate->next)
		mandate->next->link = &mandate->next;
	session->agent->mandates = mandate;
	refusal = store_state(session->agent->store) == STORE_OPEN
			  ? mandate_ask_open(mandate, text, question)
			  : mandate_ask_locked(mandate, text);
	if (refusal == REFUSAL_NONE)
		*ret = TAKE_PTR(mandate);
	return refusal;
}

struct mandate *mandate_free(struct mandate *mandate) {
	if (!mandate)
		return NULL;
	if (mandate->link) {
		*mandate->link = mandate->next;
		if (mandate->next)
			mandate->next->link = mandate->link;
	}
	account_free(mandate->account);
	consent_free(mandate->consent);
	passphrase_free(mandate->passphrase);
	free(mandate->name);
	free(mandate);
	return NULL;
}
