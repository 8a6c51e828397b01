/*
 * `init`: makes the store.
 *
 *   init_handle  → a new passphrase and its key (agent/new_passphrase)
 *   init_given   → the store, made and read back
 *   init_created → the answer
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/handle/handle.h"
#include "agent/new_passphrase.h"
#include "agent/passphrase.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct init {
	struct session *session;
	const char *medium;
	struct new_passphrase *passphrase;
	bool is_creating;
};

static void init_free(void *operation) {
	struct init *init = operation;

	if (init->is_creating)
		store_forget_callback(init->session->agent->store, init);
	new_passphrase_free(init->passphrase);
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

static void init_given(enum refusal refusal, const struct kdf *kdf, const struct secret *slot_key,
	void *userdata) {
	struct init *init = userdata;
	struct session *session = init->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, NULL);
		return;
	}
	r = store_create(
		session->agent->store, init->medium, kdf, slot_key, init_created, init);
	if (r == -EEXIST)
		session_refuse(session, REFUSAL_STORE_EXISTS, NULL);
	else if (r < 0)
		session_fail(session, r, "making the store");
	else {
		init->is_creating = true;
		session_hold(session);
	}
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
	r = new_passphrase_new(session,
		"cpub-agent: choose a passphrase for the vault. It cannot be recovered;\n"
		"it will be asked to unlock the vault and to approve each release.",
		init_given, init, &init->passphrase);
	if (r == -EBADF)
		session_refuse(session, REFUSAL_BAD_DESCRIPTOR, NULL);
	else if (r == -ENOTTY)
		session_refuse(session, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for a passphrase");
}
