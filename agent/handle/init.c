/*
 * `init`: makes the store.
 *
 *   init_handle  → which medium; for a keyring, what it has to say
 *   init_looked  → nothing is there: a new passphrase and its key (agent/new_passphrase),
 *                  or a key that will lie in the keyring
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
#include "agent/store/cipher.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

#define VAULT "vault"
#define KEYRING "keyring"

struct init {
	struct session *session;
	const char *medium;
	bool is_auto; /* the vault is as good, where no keyring can be reached */
	struct new_passphrase *passphrase;
	bool is_waiting; /* for the store */
	bool is_counted; /* among those who look for a place */
};

static void init_free(void *operation) {
	struct init *init = operation;
	struct store *store = init->session->agent->store;

	if (init->is_waiting)
		store_forget_callback(store, init);
	/* Nothing was made: look where everybody looks. Refused, and right so, if something was. */
	if (init->is_counted && --init->session->agent->n_inits == 0)
		(void) store_choose(store, VAULT);
	new_passphrase_free(init->passphrase);
	free(init);
}

static void init_created(int error, void *userdata) {
	struct init *init = userdata;
	struct session *session = init->session;
	struct store *store = session->agent->store;
	const struct audit_entry entry = {
		.op = "init", .refusal = store_refusal(error), .peer = &session->peer};
	struct json_writer *writer;

	init->is_waiting = false;
	(void) audit_write(session->agent->audit, &entry); /* Nothing leaves by this. */
	if (error < 0) {
		session_refuse(session, store_refusal(error),
			error == -EEXIST ? store_path(store) : store_refusal_detail(error));
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

static void init_create(
	struct init *init, const struct kdf *kdf, const struct secret *slot_key) {
	struct session *session = init->session;
	int r;

	r = store_create(
		session->agent->store, init->medium, kdf, slot_key, init_created, init);
	if (r == -EEXIST)
		session_refuse(session, REFUSAL_STORE_EXISTS, NULL);
	else if (r < 0)
		session_fail(session, r, "making the store");
	else {
		init->is_waiting = true;
		session_hold(session);
	}
}

static void init_given(enum refusal refusal, const struct kdf *kdf, const struct secret *slot_key,
	void *userdata) {
	struct init *init = userdata;

	if (refusal != REFUSAL_NONE)
		session_refuse(init->session, refusal, NULL);
	else
		init_create(init, kdf, slot_key);
}

/* A key that nobody knows; it will lie in the keyring. */
static void init_without_passphrase(struct init *init) {
	_cleanup_(secret_freep) struct secret *key = NULL;
	int r = secret_new(SEAL_KEY_SIZE, &key);

	if (r < 0) {
		session_fail(init->session, r, "making a key");
		return;
	}
	cipher_random(secret_bytes(key), SEAL_KEY_SIZE);
	init_create(init, NULL, key);
}

/* Nothing is there: what shall open it? */
static void init_ask(struct init *init) {
	struct session *session = init->session;
	_cleanup_(freep) char *text = NULL;
	int r;

	if (session->request->no_passphrase) {
		init_without_passphrase(init);
		return;
	}
	if (asprintf(&text,
		    "cpub-agent: choose a passphrase for the %s. It cannot be recovered;\n"
		    "it will be asked to unlock the store and to approve each release.",
		    strcmp(init->medium, VAULT) == 0 ? "vault" : "store in the keyring") < 0) {
		text = NULL;
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	r = new_passphrase_new(session, text, init_given, init, &init->passphrase);
	if (r == -EBADF)
		session_refuse(session, REFUSAL_BAD_DESCRIPTOR, NULL);
	else if (r == -ENOTTY)
		session_refuse(session, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for a passphrase");
}

static void init_looked(int error, void *userdata);

static void init_look(struct init *init, const char *medium, bool may_ask) {
	struct session *session = init->session;
	struct store *store = session->agent->store;
	int r = store_choose(store, medium);

	init->medium = medium;
	if (!init->is_counted)
		init->session->agent->n_inits++;
	init->is_counted = true;
	if (r == 0)
		r = store_load(store, may_ask, init_looked, init);
	if (r == -EEXIST)
		session_refuse(session, REFUSAL_STORE_EXISTS, NULL);
	else if (r < 0)
		session_fail(session, r, "looking for a place for the store");
	else
		init->is_waiting = true;
}

/* Of an earlier installation, say: it is what is meant from now on. */
static void init_adopt(struct init *init) {
	struct session *session = init->session;
	struct store *store = session->agent->store;

	/* Who has asked for a passphrase shall not get one that another program may have put there. */
	if (store_opens_itself(store) && !session->request->no_passphrase)
		session_refuse(session, REFUSAL_STORE_EXISTS,
			"the keyring holds one that opens without a passphrase; --no-passphrase takes "
			"it up");
	else if (store_adopt(store) < 0)
		session_refuse(session, REFUSAL_STORE_FAILED, "it cannot be recorded");
	else
		session_refuse(session, REFUSAL_STORE_EXISTS,
			"the keyring holds one already, which is used from now on");
}

static void init_looked(int error, void *userdata) {
	struct init *init = userdata;
	struct session *session = init->session;
	struct store *store = session->agent->store;
	enum refusal refusal = store_trouble(session->agent);

	(void) error; /* The state of the store says it better. */
	init->is_waiting = false;
	if (strcmp(init->medium, store_medium_name(store)) != 0) {
		session_refuse(session, REFUSAL_BUSY, NULL); /* Another init came between. */
	} else if (refusal == REFUSAL_NO_STORE) {
		init_ask(init);
	} else if (refusal == REFUSAL_NONE) {
		init_adopt(init);
	} else if (refusal == REFUSAL_KEYRING_UNREACHABLE && init->is_auto &&
		!session->request->no_passphrase) {
		init->is_auto = false;
		init_look(init, VAULT, false);
	} else {
		session_refuse(session, refusal, NULL);
	}
}

/* Is all well for making one, and is it clear which? */
static enum refusal init_check(const struct session *session, const char *wanted) {
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
	if (strcmp(wanted, VAULT) == 0) /* Only a keyring could do without a passphrase. */
		return session->request->no_passphrase ? REFUSAL_STORE_UNAVAILABLE
						       : REFUSAL_NONE;
	return strcmp(wanted, KEYRING) == 0 || strcmp(wanted, "auto") == 0
		? REFUSAL_NONE
		: REFUSAL_STORE_UNAVAILABLE;
}

void init_handle(struct session *session) {
	const char *wanted = session->request->store ? session->request->store : "auto";
	enum refusal refusal = init_check(session, wanted);
	struct init *init;

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
	init->medium = VAULT;
	init->is_auto = strcmp(wanted, "auto") == 0;
	session_set_operation(session, init, init_free);
	if (strcmp(wanted, VAULT) == 0)
		init_ask(init);
	else
		init_look(init, KEYRING, session->terminal >= 0 || agent_has_display());
}
