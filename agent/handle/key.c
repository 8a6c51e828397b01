/*
 * `key`: the key of an account that signs. It is changed in two steps, so that the registry
 * can be told of the next one before the old one is gone:
 *
 *   show    → answered
 *   rotate  → y/N → worker-sign makes the next one → stored beside it
 *   finish  → the index is asked with the next one, if it tells who signs → the passphrase
 *             → it takes the place of the old one
 *   cancel  → y/N → the next one is forgotten
 *   set     → the passphrase → the key stays, and its tokens claim something else
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consent.h"
#include "agent/handle/act.h"
#include "agent/handle/act_text.h"
#include "agent/handle/handle.h"
#include "agent/handle/key_write.h"
#include "agent/keypair.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct key {
	struct session *session;
	char *name;		 /* of the record */
	struct account *account; /* without what is private; once it is stored, as it is then */
	char *text;
	struct pin *pin;
	struct consent *consent;
	struct keymaker *keymaker;
	bool is_untried; /* the index could not be asked whether it knows the next key */
	char *concerned; /* the id of the key that the change is about */
	bool is_storing;
};

static void key_free(void *operation) {
	struct key *key = operation;

	if (key->is_storing)
		store_forget_callback(key->session->agent->store, key);
	pin_free(key->pin);
	consent_free(key->consent);
	keymaker_free(key->keymaker);
	account_free(key->account);
	free(key->text);
	free(key->concerned);
	free(key->name);
	free(key);
}

static const char *key_op(const struct key *key) {
	switch (key->session->request->key_change) {
	case KEY_ROTATE:
		return "key-rotate";
	case KEY_FINISH:
		return "key-finish";
	case KEY_CANCEL:
		return "key-cancel";
	case KEY_SET:
		return "key-set";
	case KEY_SHOW:
	case _KEY_CHANGE_MAX:
	case _KEY_CHANGE_INVALID:
		break;
	}
	return "key-show";
}

static void key_refuse(struct key *key, enum refusal refusal, const char *detail) {
	struct session *session = key->session;

	if (session->request->key_change != KEY_SHOW)
		act_record(session, key_op(key), key->name, NULL, NULL, NULL, refusal);
	session_refuse(session, refusal, detail);
}

static void key_answer(struct key *key, bool is_changed) {
	struct session *session = key->session;
	struct json_writer *writer = session_answer(session, false);
	const struct account *account = key->account;

	reply_ok_begin(writer, KIND_KEY);
	json_write_string(writer, "index", session->url);
	json_write_bytes(writer, "account", account->name, (size_t) account_given_size(account));
	json_write_string(writer, "for", account_is_for_read(account) ? "read" : "all");
	key_write(writer, account);
	key_write_next(writer, account);
	json_write_bool(writer, "changed", is_changed);
	reply_ok_end(writer);
	session_send(session);
}

static void key_stored(int error, void *userdata) {
	struct key *key = userdata;
	struct session *session = key->session;
	const struct audit_entry entry = {
		.op = key_op(key),
		.url = session->url,
		.account = key->name,
		.key = key->concerned,
		.peer = &session->peer,
	};

	key->is_storing = false;
	store_settle(session->agent, error);
	if (error < 0) {
		key_refuse(key, store_refusal(error), store_refusal_detail(error));
		return;
	}
	if (session->request->key_change == KEY_FINISH ||
		session->request->key_change == KEY_SET) /* What was approved were other tokens. */
		grant_drop_all(&session->agent->grants);
	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a change of a key could not be written to the audit log");
	key_answer(key, true);
}

/* The account, whose keys are at hand, with another key: `made`, or the next one that lies there. */
static void account_change_key(
	struct account *account, enum key_change change, struct keypair *made) {
	if (change == KEY_SET)
		return;
	if (change == KEY_FINISH) {
		keypair_free(account->key);
		account->key = TAKE_PTR(account->next_key);
	}
	keypair_free(account->next_key);
	account->next_key = made;
}

/* For the audit log: the key that is made, takes the other's place, is forgotten, or stays. */
static int key_note(struct key *key, const struct account *account, const struct keypair *made) {
	const struct keypair *concerned = made ? made : account->next_key;

	if (!concerned || key->session->request->key_change == KEY_SET)
		concerned = account->key;
	key->concerned = strdup(concerned->pid);
	return key->concerned ? 0 : -ENOMEM;
}

/* What the request says that its tokens claim. */
static int account_change_claims(struct account *account, const struct request *request) {
	if (request->no_subject || request->subject) {
		free(account->subject);
		account->subject = request->subject ? strdup(request->subject) : NULL;
	}
	if (request->has_footer_key)
		account->footer_key = request->wants_kid ? FOOTER_KID : FOOTER_KIP;
	return request->subject && !account->subject ? -ENOMEM : 0;
}

/* `made` is the next key; NULL where none was made. It is taken over. */
static void key_store(struct key *key, struct keypair *made) {
	_cleanup_(keypair_freep) struct keypair *next = made;
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = key->session;
	int r = store_find(session->agent->store, session->url, key->name, true, &account);

	if (r == 0 && !account_is_same(key->account, account))
		r = -ESTALE; /* It is another one than was shown. */
	if (r == 0)
		r = key_note(key, account, next);
	if (r == 0) {
		account_change_key(account, session->request->key_change, TAKE_PTR(next));
		r = account_change_claims(account, session->request);
	}
	if (r == 0) {
		account_free(key->account);
		key->account = account_copy(account);
		r = key->account ? store_put(session->agent->store, account, key_stored, key)
				 : -ENOMEM;
	}
	if (r < 0) {
		key_refuse(key,
			r == -ESTALE  ? REFUSAL_NOT_APPROVED
			: r == -EBUSY ? REFUSAL_BUSY
				      : mandate_find_refusal(r),
			NULL);
		return;
	}
	key->is_storing = true;
	session_hold(session);
}

static void key_made(enum refusal refusal, struct keypair *pair, void *userdata) {
	struct key *key = userdata;

	key->keymaker = keymaker_free(key->keymaker);
	if (refusal != REFUSAL_NONE)
		key_refuse(key, refusal, NULL);
	else
		key_store(key, pair);
}

static void key_agreed(enum refusal refusal, void *userdata) {
	struct key *key = userdata;
	struct session *session = key->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		key_refuse(key, refusal, NULL);
		return;
	}
	if (session->request->key_change != KEY_ROTATE) {
		key_store(key, NULL);
		return;
	}
	r = keymaker_new(session->agent, NULL, key_made, key, &key->keymaker);
	if (r < 0)
		session_fail(session, r, "making a key");
}

/* Checked when the request was read: printable, and without a blank. */
static void write_claims(FILE *out, const struct request *request) {
	if (request->subject || request->no_subject)
		fprintf(out, "  subject   %s\n", request->subject ? request->subject : "(none)");
	if (request->has_footer_key)
		fprintf(out, "  id as     %s\n", request->wants_kid ? "kid" : "kip");
}

static int key_text(struct key *key) {
	static const char *const acts[] = {
		[KEY_SHOW] = "showing a key",
		[KEY_ROTATE] = "making the next key, beside the one that signs",
		[KEY_FINISH] = "signing with the next key, and erasing the one before",
		[KEY_CANCEL] = "forgetting the next key",
		[KEY_SET] = "changing what the tokens of a key claim",
	};
	const struct account *account = key->account;
	size_t size;
	FILE *out = open_memstream(&key->text, &size);

	if (!out)
		return -ENOMEM;
	fprintf(out, "cpub-agent: approve %s?\n", acts[key->session->request->key_change]);
	fprintf(out, "  registry  %s\n", key->session->url);
	fprintf(out, "  account   %.*s%s\n", account_given_size(account), account->name,
		account_is_for_read(account) ? ", for reads alone" : "");
	fprintf(out, "  key       %s\n", account->key->pid);
	if (account->next_key)
		fprintf(out, "  next      %s\n", account->next_key->pid);
	write_claims(out, key->session->request);
	act_text_end(out, key->session);
	if (key->is_untried)
		fprintf(out, "The index cannot be reached, to ask whether it knows the next key.\n");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static void key_ask(struct key *key) {
	struct session *session = key->session;
	const enum act acts[] = {
		[KEY_SHOW] = ACT_NONE,
		[KEY_ROTATE] = ACT_LOGIN,
		[KEY_FINISH] = ACT_REPLACE,
		[KEY_CANCEL] = ACT_LOGOUT,
		[KEY_SET] = ACT_REPLACE,
	};
	int r = key_text(key);

	if (r == 0)
		r = consent_new(session, acts[session->request->key_change], session->terminal,
			key->text, "Do it?", key_agreed, key, &key->consent);
	if (r == -ENOTTY)
		key_refuse(key, REFUSAL_NEEDS_TERMINAL, NULL);
	else if (r == -EPERM)
		key_refuse(key, REFUSAL_NOT_GRANTED, NULL);
	else if (r < 0)
		session_fail(session, r, "asking for agreement");
}

/* Does the registry know it? Only one that cannot be reached says nothing. */
static void key_tried(enum refusal refusal, const char *detail, void *userdata) {
	struct key *key = userdata;

	if (refusal == REFUSAL_AUTH_REQUIRED)
		refusal = REFUSAL_KEY_UNKNOWN;
	key->is_untried = refusal == REFUSAL_NETWORK || refusal == REFUSAL_NETWORK_TIMEOUT;
	if (refusal != REFUSAL_NONE && !key->is_untried) {
		key_refuse(key, refusal, detail);
		return;
	}
	key->pin = pin_free(key->pin);
	key_ask(key);
}

/* A read, signed with the next key. 1 where the index would not tell. */
static int key_try(struct key *key) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = key->session;
	struct pin_ask ask = {.ask_built_in = true};
	int r;

	if (!key->account->is_closed || !account_is_readable(key->account) ||
		!registry_url_is_sparse(session->url))
		return 1;
	r = store_find(session->agent->store, session->url, key->name, true, &account);
	if (r < 0)
		return r;
	if (!account->next_key)
		return -EBUSY;
	ask.ca_pem = account->ca_pem;
	ask.proxy = account->proxy;
	ask.allow_http = account->is_plain_http;
	ask.signer = account;
	ask.account = account->name;
	ask.key = account->next_key;
	return pin_new(session->agent, session->url, &ask, key_tried, key, &key->pin);
}

static void key_begin(struct key *key) {
	enum key_change change = key->session->request->key_change;
	bool has_next = key->account->next_key;
	int r = 1;

	if (!account_signs(key->account)) {
		key_refuse(key, REFUSAL_NO_KEY, NULL);
		return;
	}
	if ((change == KEY_FINISH || change == KEY_CANCEL) && !has_next) {
		key_refuse(key, REFUSAL_NO_NEXT_KEY, NULL);
		return;
	}
	if (change == KEY_SHOW || (change == KEY_ROTATE && has_next)) {
		key_answer(key, false);
		return;
	}
	if (change == KEY_FINISH)
		r = key_try(key);
	if (r == 1)
		key_ask(key);
	else if (r < 0)
		session_fail(key->session, r, "trying the next key");
}

void key_handle(struct session *session) {
	struct key *key = calloc(1, sizeof(*key));
	int r;

	if (!key) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	key->session = session;
	session_set_operation(session, key, key_free);
	key->name = session->request->for_read ? account_read_name(act_account(session))
						: strdup(act_account(session));
	r = key->name ? store_find(session->agent->store, session->url, key->name, false,
				&key->account)
		      : -ENOMEM;
	if (r == 0)
		key_begin(key);
	else
		session_refuse(session, mandate_find_refusal(r), act_account(session));
}
