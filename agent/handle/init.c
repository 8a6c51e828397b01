/*
 * `init`: makes the store.
 *
 *   init_handle → a new passphrase (asked twice, or from the pipe)
 *   init_given  → the key that it becomes
 *   init_derived → the store, made and read back
 *   init_created → the answer
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/derive.h"
#include "agent/handle/handle.h"
#include "agent/lent_secret.h"
#include "agent/passphrase.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct init {
	struct session *session;
	const char *medium;
	struct lent_secret *reading;
	struct prompt *prompt;
	struct derive *derive;
	struct kdf kdf;
	bool is_creating;
};

static void init_free(void *operation) {
	struct init *init = operation;

	if (init->is_creating)
		store_forget_callback(init->session->agent->store, init);
	lent_secret_free(init->reading);
	prompt_free(init->prompt);
	derive_free(init->derive);
	free(init);
}

static void init_created(int error, void *userdata) {
	struct init *init = userdata;
	struct session *session = init->session;
	struct store *store = session->agent->store;
	const struct audit_entry entry = {.op = "init",
		.refusal = error < 0 ? REFUSAL_STORE_FAILED : REFUSAL_NONE,
		.peer = &session->peer};
	struct json_writer *writer;

	init->is_creating = false;
	(void) audit_write(session->agent->audit, &entry); /* Nothing leaves by this. */
	if (error == -EEXIST) {
		session_refuse(session, REFUSAL_STORE_EXISTS, store_path(store));
		return;
	}
	if (error < 0) {
		session_refuse(session, REFUSAL_STORE_FAILED, strerror(-error));
		return;
	}
	writer = session_answer(session, false);
	reply_ok_begin(writer, KIND_INIT);
	json_write_string(writer, "store", store_medium_name(store));
	json_write_string(writer, "path", store_path(store));
	json_write_integer(
		writer, "level", protection_level(agent_protection(session->agent)));
	reply_ok_end(writer);
	session_send(session);
}

static void init_derived(enum refusal refusal, const struct secret *key, void *userdata) {
	struct init *init = userdata;
	struct session *session = init->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, NULL);
		return;
	}
	r = store_create(
		session->agent->store, init->medium, &init->kdf, key, init_created, init);
	if (r == -EEXIST)
		session_refuse(session, REFUSAL_STORE_EXISTS, NULL);
	else if (r < 0)
		session_fail(session, r, "making the store");
	else {
		init->is_creating = true;
		session_hold(session);
	}
}

static void init_given(struct init *init, const struct secret *passphrase) {
	int r;

	kdf_init(&init->kdf);
	r = derive_new(init->session->agent, &init->kdf, passphrase, init_derived, init,
		&init->derive);
	if (r < 0)
		session_fail(init->session, r, "deriving a key");
}

static void init_read(enum refusal refusal, struct secret *secret, void *userdata) {
	_cleanup_(secret_freep) struct secret *passphrase = secret;
	struct init *init = userdata;

	if (refusal == REFUSAL_BAD_TOKEN)
		refusal = REFUSAL_BAD_PASSPHRASE;
	if (refusal != REFUSAL_NONE)
		session_refuse(init->session, refusal, NULL);
	else
		init_given(init, passphrase);
}

static void init_typed(enum refusal refusal, const struct secret *secret, void *userdata) {
	struct init *init = userdata;

	/* What was typed lives in the prompt's answer, too; it is not needed there any more. */
	init->prompt = prompt_free(init->prompt);
	if (refusal != REFUSAL_NONE)
		session_refuse(init->session, refusal, NULL);
	else if (!secret)
		session_refuse(init->session, REFUSAL_WORKER_FAILED, NULL);
	else
		init_given(init, secret);
}

static int init_ask(struct init *init) {
	const struct prompt_words words = {
		.question = QUESTION_NEW_PASSPHRASE,
		.text = "cpub-agent: choose a passphrase for the vault. It cannot be recovered;\n"
			"it will be asked to unlock the vault and to approve each release.",
		.prompt = "New passphrase (^C cancels): ",
		.again = "The same again: ",
	};
	struct session *session = init->session;

	return prompt_new(
		session->agent, session->terminal, &words, init_typed, init, &init->prompt);
}

/* Which medium, and is all well for making one? */
static enum refusal init_check(const struct session *session) {
	const struct request *request = session->request;

	switch (store_state(session->agent->store)) {
	case STORE_ABSENT:
		break;
	case STORE_LOCKED:
	case STORE_OPEN:
		return REFUSAL_STORE_EXISTS;
	case STORE_UNKNOWN:
	case STORE_BROKEN:
		return store_trouble(session->agent);
	}
	if (request->store && strcmp(request->store, "auto") != 0 &&
		strcmp(request->store, "vault") != 0)
		return REFUSAL_STORE_UNAVAILABLE;
	/* Only a keyring could do without one. */
	return request->no_passphrase ? REFUSAL_STORE_UNAVAILABLE : REFUSAL_NONE;
}

void init_handle(struct session *session) {
	enum refusal refusal = init_check(session);
	struct init *init;
	int r;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, store_path(session->agent->store));
		return;
	}
	init = calloc(1, sizeof(*init));
	if (!init) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	init->session = session;
	init->medium = "vault";
	session_set_operation(session, init, init_free);
	if (session->request->secret_in_pipe) {
		r = lent_secret_new(session, init_read, init, &init->reading);
		if (r < 0)
			session_refuse(session, REFUSAL_BAD_DESCRIPTOR, NULL);
		return;
	}
	r = init_ask(init);
	if (r == -ENOTTY)
		session_refuse(session, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for a passphrase");
}
