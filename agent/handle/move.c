/*
 * `move`: takes the store to another medium, as it is: every record stays the
 * ciphertext that it was, under the same key, which the same passphrase opens.
 *
 *   move_handle → answered where it is there already
 *   move_agreed → approved; the passphrase opens a locked store as well
 *   move_done   → copied, read back, recorded, the old one erased (store/move.h)
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/dispatch.h"
#include "agent/handle/handle.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct move_request {
	struct session *session;
	const char *from; /* a medium's own name: outlives the medium */
	struct consent *consent;
	struct passphrase *passphrase;
	bool is_moving;
};

static void move_request_free(void *operation) {
	struct move_request *move = operation;

	if (move->is_moving)
		store_forget_callback(move->session->agent->store, move);
	consent_free(move->consent);
	passphrase_free(move->passphrase);
	free(move);
}

static bool is_there_already(const struct session *session) {
	return strcmp(store_medium_name(session->agent->store), session->request->to) == 0;
}

enum refusal move_check(struct session *session) {
	const struct store *store = session->agent->store;
	enum refusal refusal = store_trouble(session->agent);

	if (refusal != REFUSAL_NONE || is_there_already(session))
		return refusal;
	/* Where no passphrase opens it, its key would have to lie in the clear beside the copy. */
	if (!store_kdf(store))
		return REFUSAL_STORE_BOUND;
	return store_has_medium(store, session->request->to) ? REFUSAL_NONE
							     : REFUSAL_STORE_UNAVAILABLE;
}

static void move_refuse(struct move_request *move, enum refusal refusal, const char *detail) {
	struct session *session = move->session;
	const struct audit_entry entry = {
		.op = "move", .refusal = refusal, .peer = &session->peer};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(session, refusal, detail);
}

static void move_answer(const struct move_request *move, bool is_unchanged) {
	struct session *session = move->session;
	const struct store *store = session->agent->store;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_MOVE);
	json_write_string(writer, "from", move->from);
	json_write_string(writer, "to", store_medium_name(store));
	json_write_string(writer, "path", store_path(store));
	json_write_integer(writer, "accounts", (int64_t) store_n_accounts(store));
	json_write_bool(writer, "unchanged", is_unchanged);
	json_write_string(writer, "leftover", is_unchanged ? NULL : store_leftover(store));
	reply_ok_end(writer);
	session_send(session);
}

static void move_done(int error, void *userdata) {
	struct move_request *move = userdata;
	struct session *session = move->session;
	const struct audit_entry entry = {.op = "move", .peer = &session->peer};

	move->is_moving = false;
	store_settle(session->agent, error);
	if (error < 0) {
		move_refuse(move, store_refusal(error),
			error == -EEXIST ? "where it was to go; nothing there is overwritten"
					 : store_refusal_detail(error));
		return;
	}
	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a move could not be written to the audit log");
	move_answer(move, false);
}

static void move_agreed(enum refusal refusal, void *userdata) {
	struct move_request *move = userdata;
	struct session *session = move->session;
	int r;

	move->consent = consent_free(move->consent);
	move->passphrase = passphrase_free(move->passphrase);
	if (refusal != REFUSAL_NONE) {
		move_refuse(move, refusal, NULL);
		return;
	}
	r = store_move(session->agent->store, session->request->to, move_done, move);
	if (r == -EALREADY) /* By another program, since we looked. */
		move_answer(move, true);
	else if (r == -ENOKEY)
		move_refuse(move, REFUSAL_LOCKED, NULL);
	else if (r == -EBUSY)
		move_refuse(move, REFUSAL_BUSY, NULL);
	else if (r == -ENOTSUP)
		move_refuse(move, REFUSAL_STORE_UNAVAILABLE, session->request->to);
	else if (r == -EINVAL)
		move_refuse(move, REFUSAL_STORE_BOUND, NULL);
	else if (r < 0)
		session_fail(session, r, "moving the store");
	else {
		move->is_moving = true;
		session_hold(session);
	}
}

/* What is different there; that it stays ciphertext under the same passphrase is the same. */
static const char *move_text(const struct session *session) {
	if (strcmp(session->request->to, "keyring") == 0)
		return "cpub-agent: move the store from its own file into the system's keyring?\n"
		       "What lies there is the same ciphertext, which only your passphrase opens.\n"
		       "Other programs of yours can see, change and remove it, as they can the "
		       "file; it is\n"
		       "there only while the keyring is unlocked. The file is erased once the copy "
		       "has been\n"
		       "read back.\n";
	return "cpub-agent: move the store from the system's keyring into a file of its own?\n"
	       "What lies there is the same ciphertext, which only your passphrase opens.\n"
	       "It no longer takes an unlocked keyring to use it, and a backup of your files\n"
	       "has a copy. The keyring's items are erased once the copy has been read back.\n";
}

static int move_ask(struct move_request *move) {
	struct session *session = move->session;

	if (store_state(session->agent->store) == STORE_OPEN)
		return consent_new(session, dispatch_row(session)->act, session->terminal,
			move_text(session), "Move it?", move_agreed, move, &move->consent);
	return passphrase_new(session, PASSPHRASE_UNLOCK, session->terminal, move_text(session),
		NULL, move_agreed, move, &move->passphrase);
}

void move_handle(struct session *session) {
	struct store *store = session->agent->store;
	struct move_request *move = calloc(1, sizeof(*move));
	int r;

	if (!move) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	move->session = session;
	move->from = store_medium_name(store);
	session_set_operation(session, move, move_request_free);
	if (is_there_already(session)) {
		move_answer(move, true);
		return;
	}
	r = move_ask(move);
	if (r == -ENOTTY)
		move_refuse(move, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for agreement");
}
