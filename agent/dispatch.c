#include "dispatch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/handle/act.h"
#include "agent/handle/handle.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/unattended.h"
#include "protocol/request.h"

/* One row a kind. */
static const struct dispatch_row rows[] = {
	/* `get` opens the store itself for an act, so that one passphrase unlocks and approves. */
	[KIND_GET] = {get_check, get_handle, NEEDS_WAKE, ACT_RELEASE},
	[KIND_LOGIN] = {login_check, login_handle, NEEDS_OPEN, ACT_LOGIN},
	[KIND_LOGOUT] = {logout_check, logout_handle, NEEDS_OPEN, ACT_LOGOUT},
	[KIND_INIT] = {NULL, init_handle, NEEDS_LOOK, ACT_NONE},
	[KIND_LIST] = {list_check, list_handle, NEEDS_OPEN, ACT_NONE},
	[KIND_STATUS] = {NULL, status_handle, NEEDS_LOOK, ACT_NONE},
	[KIND_LOCK] = {NULL, lock_handle, NEEDS_NOTHING, ACT_NONE},
	[KIND_UNLOCK] = {NULL, unlock_handle, NEEDS_WAKE, ACT_NONE},
	/* The old passphrase is asked by the handler, and opens the store as well. */
	[KIND_PASSWD] = {passwd_check, passwd_handle, NEEDS_WAKE, ACT_LOOSEN},
	/* As with `passwd`; and where it is there already, nothing is asked. */
	[KIND_MOVE] = {move_check, move_handle, NEEDS_WAKE, ACT_LOOSEN},
	[KIND_TRUST] = {trust_check, trust_handle, NEEDS_OPEN, ACT_LOOSEN},
	[KIND_IMPORT] = {NULL, import_handle, NEEDS_NOTHING, ACT_NONE},
	/* What was sealed and approved lies with the connection; the store is asked for the token alone. */
	[KIND_SEAL] = {NULL, seal_handle, NEEDS_NOTHING, ACT_NONE, .survives_lock = true},
	[KIND_VERIFY] = {NULL, verify_handle, NEEDS_NOTHING, ACT_NONE, .survives_lock = true},
	/* As with `get`: one passphrase unlocks and approves. */
	[KIND_PROPOSE] = {propose_check, propose_handle, NEEDS_WAKE, ACT_RELEASE},
	[KIND_PUBLISH] = {NULL, publish_handle, NEEDS_NOTHING, ACT_NONE},
	[KIND_AWAIT] = {NULL, await_handle, NEEDS_NOTHING, ACT_NONE, .survives_lock = true},
	[KIND_YANK] = {act_check, yank_handle, NEEDS_WAKE, ACT_RELEASE},
	[KIND_UNYANK] = {act_check, yank_handle, NEEDS_WAKE, ACT_RELEASE},
	[KIND_OWNER] = {owner_check, owner_handle, NEEDS_WAKE, ACT_RELEASE},
	[KIND_REVOKE] = {act_check, revoke_handle, NEEDS_OPEN, ACT_LOGOUT},
	[KIND_CHECK] = {act_check, check_handle, NEEDS_OPEN, ACT_NONE},
	/* What each change of a key needs is the handler's to say. */
	[KIND_KEY] = {act_check, key_handle, NEEDS_OPEN, ACT_REPLACE},
};
static_assert(sizeof(rows) / sizeof(rows[0]) == _KIND_MAX, "a row for each kind");

/*
 * What goes before the handler: looking at the medium, which may be a keyring
 * that a person has to unlock; then what opens the store, or the passphrase.
 */
struct opening {
	struct session *session;
	bool is_loading;
	bool may_ask; /* the keyring, this time */
	struct unattended *unattended;
	struct passphrase *passphrase;
};

const struct dispatch_row *dispatch_row(const struct session *session) {
	return &rows[session->request->kind];
}

static void opening_free(void *operation) {
	struct opening *opening = operation;

	if (opening->is_loading)
		store_forget_callback(opening->session->agent->store, opening);
	unattended_free(opening->unattended);
	passphrase_free(opening->passphrase);
	free(opening);
}

/* All is ready: the handler has the request. The last act of whoever calls this. */
static void opening_done(struct session *session) {
	session_set_operation(session, NULL, NULL);
	dispatch_row(session)->handle(session);
}

static void opening_unlocked(enum refusal refusal, void *userdata) {
	struct opening *opening = userdata;
	struct session *session = opening->session;

	if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal, NULL);
	else
		opening_done(session);
}

static void opening_unlock(struct opening *opening) {
	struct session *session = opening->session;
	int r;

	if (store_state(session->agent->store) == STORE_OPEN) {
		opening_done(session);
		return;
	}
	r = passphrase_new(session, PASSPHRASE_UNLOCK, session->terminal, NULL, NULL,
		opening_unlocked, opening, &opening->passphrase);
	if (r == -ENOTTY)
		session_refuse(session, REFUSAL_LOCKED, NULL);
	else if (r < 0)
		session_fail(session, r, "unlocking");
}

/* It is as open as it gets without a person. */
static void opening_woken(struct opening *opening) {
	if (dispatch_row(opening->session)->need == NEEDS_OPEN)
		opening_unlock(opening);
	else
		opening_done(opening->session);
}

/* Nothing leaves by this, but it is to be seen that no person was there. */
static void opening_note(const struct session *session) {
	const struct audit_entry entry = {.op = "unlock", .peer = &session->peer};

	log_notice("opened without a person");
	(void) audit_write(session->agent->audit, &entry);
}

static void opening_unattended(enum refusal refusal, void *userdata) {
	struct opening *opening = userdata;

	if (refusal == REFUSAL_NONE && unattended_did_open(opening->unattended))
		opening_note(opening->session);
	opening->unattended = unattended_free(opening->unattended);
	/* Not opened by this way: the person is asked as ever. */
	if (refusal != REFUSAL_NONE && refusal != REFUSAL_LOCKED)
		session_refuse(opening->session, refusal, NULL);
	else
		opening_woken(opening);
}

/* Whom a keyring could ask to unlock it. */
static bool somebody_is_there(const struct session *session) {
	return session->terminal >= 0 || agent_has_display();
}

static void opening_wake(struct opening *opening) {
	struct session *session = opening->session;
	int r;

	if (dispatch_row(session)->need < NEEDS_WAKE ||
		!unattended_is_possible(session->agent)) {
		opening_woken(opening);
		return;
	}
	r = unattended_new(session->agent, somebody_is_there(session), opening_unattended,
		opening, &opening->unattended);
	if (r < 0)
		session_fail(session, r, "opening the store");
}

static enum refusal opening_check(const struct opening *opening) {
	struct session *session = opening->session;
	const struct dispatch_row *row = dispatch_row(session);

	if (row->check)
		return row->check(session);
	/* These say themselves what they make of it. */
	return row->need < NEEDS_WAKE ? REFUSAL_NONE : store_trouble(session->agent);
}

static int opening_look(struct opening *opening);

static void opening_looked(int error, void *userdata) {
	struct opening *opening = userdata;
	struct session *session = opening->session;
	enum refusal refusal;

	(void) error; /* The store's state says it better. */
	opening->is_loading = false;
	refusal = opening_check(opening);
	/* Only for a request that needs it, and once. */
	if (refusal == REFUSAL_KEYRING_LOCKED && !opening->may_ask &&
		somebody_is_there(session)) {
		opening->may_ask = true;
		if (opening_look(opening) == 0)
			return;
	}
	if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal,
			refusal == store_trouble(session->agent)
				? store_path(session->agent->store)
				: NULL);
	else
		opening_wake(opening);
}

static int opening_look(struct opening *opening) {
	int r = store_load(opening->session->agent->store, opening->may_ask, opening_looked,
		opening);

	if (r == 0)
		opening->is_loading = true;
	return r;
}

/* A store that is locked or open is known; any other may have changed since. */
static bool is_known(const struct session *session) {
	enum store_state state = store_state(session->agent->store);

	return state == STORE_LOCKED || state == STORE_OPEN;
}

void dispatch(struct session *session) {
	struct opening *opening;
	int r;

	if (dispatch_row(session)->need == NEEDS_NOTHING) {
		dispatch_row(session)->handle(session);
		return;
	}
	opening = calloc(1, sizeof(*opening));
	if (!opening) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	opening->session = session;
	session_set_operation(session, opening, opening_free);
	if (is_known(session)) {
		opening_looked(0, opening);
		return;
	}
	r = opening_look(opening);
	if (r < 0)
		session_fail(session, r, "looking at the store");
}
