/*
 * `passwd`: a new passphrase, and with it a new data key: every record is sealed
 * anew, so that neither the old passphrase nor an old copy of the key opens what
 * is stored from now on. (An old copy of the vault still opens with the old one.)
 *
 *   passwd_handle    → the old passphrase, which opens a locked store as well; of
 *                      a store that opens without a person, whether one shall be
 *   passwd_confirmed → the new one and its key
 *   passwd_given     → all sealed anew, saved, read back
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/handle/handle.h"
#include "agent/log.h"
#include "agent/new_passphrase.h"
#include "agent/passphrase.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct passwd {
	struct session *session;
	struct consent *consent;
	struct passphrase *old;
	struct new_passphrase *new;
	struct kdf confirmed; /* of the passphrase that was typed; zeros if there was none */
	bool is_storing;
};

static void passwd_free(void *operation) {
	struct passwd *passwd = operation;

	if (passwd->is_storing)
		store_forget_callback(passwd->session->agent->store, passwd);
	consent_free(passwd->consent);
	passphrase_free(passwd->old);
	new_passphrase_free(passwd->new);
	free(passwd);
}

enum refusal passwd_check(struct session *session) {
	enum refusal refusal = store_trouble(session->agent);

	if (refusal == REFUSAL_NONE && !store_kdf(session->agent->store) &&
		!store_opens_itself(session->agent->store))
		return REFUSAL_STORE_UNAVAILABLE; /* In memory: it has no way to be opened. */
	return refusal;
}

static void passwd_refuse(struct passwd *passwd, enum refusal refusal, const char *detail) {
	struct session *session = passwd->session;
	const struct audit_entry entry = {
		.op = "passwd", .refusal = refusal, .peer = &session->peer};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a refusal could not be written to the audit log");
	session_refuse(session, refusal, detail);
}

static void passwd_stored(int error, void *userdata) {
	struct passwd *passwd = userdata;
	struct session *session = passwd->session;
	const struct audit_entry entry = {.op = "passwd", .peer = &session->peer};

	passwd->is_storing = false;
	store_settle(session->agent, error);
	if (error < 0) {
		passwd_refuse(passwd, store_refusal(error), store_refusal_detail(error));
		return;
	}
	grant_drop_all(&session->agent->grants); /* They were approved with the old one. */
	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a change of passphrase could not be written to the audit log");
	reply_ok_begin(session_answer(session, false), KIND_PASSWD);
	json_write_integer(&session->answer, "accounts",
		(int64_t) store_n_accounts(session->agent->store));
	reply_ok_end(&session->answer);
	session_send(session);
}

/* Another may have changed it since: then nobody has typed the one that it has now. */
static bool passwd_is_confirmed(const struct passwd *passwd) {
	const struct store *store = passwd->session->agent->store;
	const struct kdf *kdf = store_kdf(store);
	const struct kdf none = {0};

	if (!kdf)
		return store_opens_itself(store) &&
			memcmp(none.salt, passwd->confirmed.salt, SEAL_SALT_SIZE) == 0;
	return memcmp(kdf->salt, passwd->confirmed.salt, SEAL_SALT_SIZE) == 0;
}

static void passwd_given(enum refusal refusal, const struct kdf *kdf,
	const struct secret *slot_key, void *userdata) {
	struct passwd *passwd = userdata;
	struct session *session = passwd->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		passwd_refuse(passwd, refusal, NULL);
		return;
	}
	if (!passwd_is_confirmed(passwd)) {
		passwd_refuse(passwd, REFUSAL_WRONG_PASSPHRASE, NULL);
		return;
	}
	r = store_rekey(session->agent->store, kdf, slot_key, passwd_stored, passwd);
	if (r == -ENOKEY)
		passwd_refuse(passwd, REFUSAL_LOCKED, NULL);
	else if (r == -EBUSY)
		passwd_refuse(passwd, REFUSAL_BUSY, NULL);
	else if (r == -EBADMSG)
		passwd_refuse(passwd, REFUSAL_STORE_DAMAGED, NULL);
	else if (r < 0)
		session_fail(session, r, "sealing the store anew");
	else {
		passwd->is_storing = true;
		session_hold(session);
	}
}

static void passwd_confirmed(enum refusal refusal, void *userdata) {
	struct passwd *passwd = userdata;
	const struct store *store = passwd->session->agent->store;
	const struct kdf *kdf = store_kdf(store);
	int r;

	passwd->old = passphrase_free(passwd->old);
	passwd->consent = consent_free(passwd->consent);
	if (refusal == REFUSAL_NONE && !kdf && !store_opens_itself(store))
		refusal = REFUSAL_LOCKED;
	if (refusal != REFUSAL_NONE) {
		passwd_refuse(passwd, refusal, NULL);
		return;
	}
	if (kdf)
		passwd->confirmed = *kdf;
	r = new_passphrase_new(passwd->session,
		"cpub-agent: choose the new passphrase. It cannot be recovered.", passwd_given,
		passwd, &passwd->new);
	if (r == -EBADF)
		passwd_refuse(passwd, REFUSAL_BAD_DESCRIPTOR, NULL);
	else if (r == -ENOTTY)
		passwd_refuse(passwd, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(passwd->session, r, "asking for a new passphrase");
}

/* The old passphrase; or, whoever can open the keyring having all of it already, a yes. */
static int passwd_ask(struct passwd *passwd) {
	const struct store *store = passwd->session->agent->store;

	if (!store_opens_itself(store))
		return passphrase_new(passwd->session,
			store_state(store) == STORE_OPEN ? PASSPHRASE_CONFIRM : PASSPHRASE_UNLOCK,
			passwd->session->terminal,
			"cpub-agent: change the passphrase of the store? The one that it has now "
			"first.\n",
			NULL, passwd_confirmed, passwd, &passwd->old);
	return consent_new(passwd->session, ACT_LOOSEN, passwd->session->terminal,
		"cpub-agent: this store opens without a passphrase.\n"
		"From now on one is asked to unlock it and to approve each release.\n",
		"Choose one?", passwd_confirmed, passwd, &passwd->consent);
}

void passwd_handle(struct session *session) {
	struct passwd *passwd = calloc(1, sizeof(*passwd));
	int r;

	if (!passwd) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	passwd->session = session;
	session_set_operation(session, passwd, passwd_free);
	r = passwd_ask(passwd);
	if (r == -ENOTTY)
		passwd_refuse(passwd, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for the passphrase");
}
