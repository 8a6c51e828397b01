/*
 * `import` from the desktop's keyring: what cargo's own provider keeps there,
 * never the tokens themselves; and the removal of one that is stored here.
 *
 *   import_keyring_handle → the list, or:
 *   wipe_taken   → what cargo keeps is compared with the account's token
 *   wipe_removed → it is gone, unless it was changed in between
 */

#include <errno.h>
#include <stdlib.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/cargo_keyring.h"
#include "agent/fields.h"
#include "agent/handle/handle.h"
#include "agent/log.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct import_keyring {
	struct session *session;
	char *url; /* canonical, of what is to be removed */
	const char *name;
	struct cargo_keyring *keyring;
};

static void import_keyring_free(void *operation) {
	struct import_keyring *import = operation;

	cargo_keyring_free(import->keyring);
	free(import->url);
	free(import);
}

static int write_item(const struct fields *answer, uint8_t tag, struct json_writer *writer) {
	_cleanup_(fields_freep) struct fields *found = NULL;
	_cleanup_(freep) char *url = NULL;
	uint64_t n, is_locked, is_odd;
	const uint8_t *bytes;
	size_t size;
	int r;

	r = fields_get(answer, tag, &bytes, &size);
	if (r == 0)
		r = fields_parse(bytes, size, &found);
	if (r < 0)
		return r;
	if (fields_get_string(found, FIELD_CARGO_URL, &url) < 0 ||
		fields_get_u64(found, FIELD_CARGO_N, &n) < 0 ||
		fields_get_u64(found, FIELD_CARGO_IS_LOCKED, &is_locked) < 0 ||
		fields_get_u64(found, FIELD_CARGO_IS_ODD, &is_odd) < 0)
		return -EBADMSG;
	json_write_object(writer, NULL);
	json_write_string(writer, "url", url);
	json_write_integer(writer, "items", (int64_t) n);
	json_write_bool(writer, "locked", is_locked);
	json_write_bool(writer, "odd", is_odd);
	json_write_object_end(writer);
	return 0;
}

static int write_list(const struct fields *answer, struct json_writer *writer) {
	uint64_t has_more;
	int r = 0;

	if (fields_get_u64(answer, FIELD_CARGO_HAS_MORE, &has_more) < 0)
		return -EBADMSG;
	reply_ok_begin(writer, KIND_IMPORT);
	json_write_array(writer, "tokens");
	for (unsigned i = 0; r == 0 && i < FOUND_MAX; i++)
		r = write_item(answer, (uint8_t) (FIELD_FOUND + i), writer);
	if (r < 0 && r != -ENOENT) /* The first tag that is not there is the end. */
		return r;
	json_write_array_end(writer);
	json_write_bool(writer, "more", has_more);
	reply_ok_end(writer);
	return 0;
}

static void listed(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct import_keyring *import = userdata;
	struct session *session = import->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, detail);
		return;
	}
	r = write_list(answer, session_answer(session, false));
	if (r == -EBADMSG)
		session_refuse(session, REFUSAL_WORKER_FAILED, NULL);
	else if (r < 0)
		session_fail(session, r, "listing a keyring's tokens");
	else
		session_send(session);
}

static void wipe_end(struct import_keyring *import, enum refusal refusal, const char *detail) {
	struct session *session = import->session;
	const struct audit_entry entry = {.op = "wipe",
		.url = import->url,
		.account = import->name,
		.refusal = refusal,
		.peer = &session->peer};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a removal could not be written to the audit log");
	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, detail);
		return;
	}
	reply_ok_begin(session_answer(session, false), KIND_IMPORT);
	json_write_bool(&session->answer, "wiped", true);
	reply_ok_end(&session->answer);
	session_send(session);
}

static void wipe_removed(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	(void) answer;
	wipe_end(userdata, refusal, detail);
}

/* What is removed is what is stored: REFUSAL_NONE, or why it stays. */
static enum refusal wipe_compare(
	const struct import_keyring *import, const struct secret *token) {
	_cleanup_(account_freep) struct account *account = NULL;
	int r = store_find(
		import->session->agent->store, import->url, import->name, true, &account);

	if (r == -ENOENT)
		return REFUSAL_ACCOUNT_UNKNOWN;
	if (r == -ENOKEY)
		return REFUSAL_LOCKED;
	if (r < 0)
		return r == -EBADMSG ? REFUSAL_STORE_DAMAGED : refusal_from_errno(r);
	return !account_signs(account) && secret_equal(account->token, token)
		       ? REFUSAL_NONE
		       : REFUSAL_TOKEN_DIFFERS;
}

static void wipe_taken(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	_cleanup_(secret_freep) struct secret *token = NULL;
	struct import_keyring *import = userdata;
	struct session *session = import->session;
	int r;

	if (refusal == REFUSAL_NONE && fields_get_secret(answer, FIELD_SECRET, &token) < 0)
		refusal = REFUSAL_WORKER_FAILED;
	if (refusal == REFUSAL_NONE)
		refusal = wipe_compare(import, token);
	if (refusal != REFUSAL_NONE) {
		wipe_end(import, refusal, detail);
		return;
	}
	/* The worker looks once more: cargo may just now be storing another one. */
	import->keyring = cargo_keyring_free(import->keyring);
	r = cargo_keyring_new(session, KEYRING_CARGO_WIPE, session->request->wipe, token,
		wipe_removed, import, &import->keyring);
	if (r < 0)
		session_fail(session, r, "removing a keyring's token");
	else
		session_hold(session);
}

/* Before the keyring is asked for anything. */
static enum refusal wipe_check(struct import_keyring *import) {
	const struct session *session = import->session;
	const struct store *store = session->agent->store;
	_cleanup_(account_freep) struct account *account = NULL;

	import->name =
		session->request->account ? session->request->account : ACCOUNT_DEFAULT;
	if (registry_url_canonical(session->request->wipe, &import->url) < 0)
		return REFUSAL_BAD_URL;
	switch (store_find(store, import->url, import->name, false, &account)) {
	case 0:
		return REFUSAL_NONE;
	case -ENOENT:
		return REFUSAL_ACCOUNT_UNKNOWN;
	case -ENOKEY: /* Not open: it has just been used for the login before this. */
		return REFUSAL_LOCKED;
	default:
		return REFUSAL_STORE_DAMAGED;
	}
}

void import_keyring_handle(struct session *session) {
	struct import_keyring *import = calloc(1, sizeof(*import));
	const char *wipe = session->request->wipe;
	enum refusal refusal = REFUSAL_NONE;
	int r;

	if (!import) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	import->session = session;
	session_set_operation(session, import, import_keyring_free);
	if (wipe)
		refusal = wipe_check(import);
	if (refusal != REFUSAL_NONE) {
		wipe_end(import, refusal, NULL);
		return;
	}
	r = cargo_keyring_new(session, wipe ? KEYRING_CARGO_TAKE : KEYRING_CARGO_LIST, wipe, NULL,
		wipe ? wipe_taken : listed, import, &import->keyring);
	if (r == -ENXIO)
		session_refuse(session, REFUSAL_KEYRING_UNREACHABLE, NULL);
	else if (r < 0)
		session_fail(session, r, "asking the keyring");
}
