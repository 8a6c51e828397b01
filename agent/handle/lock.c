/* `lock` and `unlock`. */

#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/handle/handle.h"
#include "agent/lent_secret.h"
#include "agent/passphrase.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/unattended.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

void lock_handle(struct session *session) {
	bool was_open = store_state(session->agent->store) == STORE_OPEN;
	const struct audit_entry entry = {.op = "lock", .peer = &session->peer};
	struct json_writer *writer;

	agent_lock(session->agent, "asked to");
	(void) audit_write(session->agent->audit, &entry); /* Locking is never refused. */
	writer = session_answer(session, false);
	reply_ok_begin(writer, KIND_LOCK);
	json_write_string(writer, "was", was_open ? "unlocked" : "locked");
	json_write_bool(writer, "reopens", unattended_is_possible(session->agent));
	reply_ok_end(writer);
	session_send(session);
}

struct unlock {
	struct session *session;
	struct lent_secret *reading;
	struct passphrase *passphrase;
};

static void unlock_free(void *operation) {
	struct unlock *unlock = operation;

	lent_secret_free(unlock->reading);
	passphrase_free(unlock->passphrase);
	free(unlock);
}

static void unlock_answer(struct session *session, bool was_open) {
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_UNLOCK);
	json_write_string(writer, "was", was_open ? "unlocked" : "locked");
	json_write_integer(writer, "locks-after",
		(int64_t) (session->agent->options.lock_after_usec / USEC_PER_SEC));
	reply_ok_end(writer);
	session_send(session);
}

static void unlock_checked(enum refusal refusal, void *userdata) {
	struct unlock *unlock = userdata;
	struct session *session = unlock->session;
	const struct audit_entry entry = {
		.op = "unlock", .refusal = refusal, .peer = &session->peer};

	(void) audit_write(session->agent->audit, &entry); /* Nothing leaves by this. */
	if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal, NULL);
	else
		unlock_answer(session, false);
}

/* `given` is taken over; NULL asks the person. */
static void unlock_start(struct unlock *unlock, struct secret *given) {
	struct session *session = unlock->session;
	int r;

	if (store_state(session->agent->store) == STORE_OPEN) {
		/* Opened by another while the pipe was read. */
		secret_free(given);
		unlock_answer(session, true);
		return;
	}
	r = passphrase_new(session, PASSPHRASE_UNLOCK, session->terminal, NULL, given,
		unlock_checked, unlock, &unlock->passphrase);
	if (r == -ENOTTY)
		session_refuse(session, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r < 0)
		session_fail(session, r, "unlocking");
}

static void unlock_read(enum refusal refusal, struct secret *secret, void *userdata) {
	struct unlock *unlock = userdata;

	unlock->reading = lent_secret_free(unlock->reading);
	if (refusal == REFUSAL_BAD_TOKEN)
		refusal = REFUSAL_BAD_PASSPHRASE;
	if (refusal != REFUSAL_NONE)
		session_refuse(unlock->session, refusal, NULL);
	else
		unlock_start(unlock, secret);
}

void unlock_handle(struct session *session) {
	enum refusal refusal = store_trouble(session->agent);
	struct unlock *unlock;
	int r;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, NULL);
		return;
	}
	if (store_state(session->agent->store) == STORE_OPEN) {
		unlock_answer(session, true);
		return;
	}
	unlock = calloc(1, sizeof(*unlock));
	if (!unlock) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	unlock->session = session;
	session_set_operation(session, unlock, unlock_free);
	if (!session->request->secret_in_pipe) {
		unlock_start(unlock, NULL);
		return;
	}
	r = lent_secret_new(session, 0, unlock_read, unlock, &unlock->reading);
	if (r == -EBADF)
		session_refuse(session, REFUSAL_BAD_DESCRIPTOR, NULL);
	else if (r < 0)
		session_fail(session, r, "reading a passphrase");
}
