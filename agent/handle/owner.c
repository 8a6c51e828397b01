/*
 * `owner`: adds owners of a crate, removes some, or lists them.
 *
 *   add, remove → approval → one request for those to add, one for those to remove
 *   list        → asked as anybody may; where the registry wants a token for that, the
 *                 account's own, after the approval
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/deed.h"
#include "agent/handle/act.h"
#include "agent/handle/act_text.h"
#include "agent/handle/handle.h"
#include "agent/mandate.h"
#include "agent/passphrase.h"
#include "agent/pin.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* What is sent, in this order. */
enum step {
	STEP_ADD,
	STEP_REMOVE,
	STEP_END,
};

struct owner {
	struct session *session;
	const char *name;
	char *text;
	struct mandate *mandate;
	struct deed *deed;
	enum step step;
	struct json_writer *writer;
};

static void owner_free(void *operation) {
	struct owner *owner = operation;

	mandate_free(owner->mandate);
	deed_free(owner->deed);
	free(owner->text);
	free(owner);
}

static bool is_list(const struct session *session) {
	return !session->request->add && !session->request->remove;
}

/* crates.io's owners can be seen by anybody, also before there is a store. */
enum refusal owner_check(struct session *session) {
	enum refusal refusal = act_check(session);

	if (session->url && is_list(session) && registry_url_is_crates_io(session->url))
		return REFUSAL_NONE;
	return refusal;
}

static void write_logins(FILE *out, const char *label, char *const *logins) {
	for (; logins && *logins; logins++)
		fprintf(out, "  %-10s%s\n", label, *logins);
}

static int owner_text(const struct session *session, const char *name, char **ret) {
	const struct request *request = session->request;
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	act_text_begin(out, session,
		is_list(session) ? "showing your token to list owners" : "changing owners", name);
	fprintf(out, "  crate     %s\n", request->crate);
	write_logins(out, "add", request->add);
	write_logins(out, "remove", request->remove);
	act_text_end(out, session);
	if (request->add)
		fprintf(out, "An owner can publish, yank, and add and remove owners.\n");
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static char *const *step_logins(const struct owner *owner) {
	const struct request *request = owner->session->request;

	return owner->step == STEP_ADD ? request->add : request->remove;
}

/* A line each. Caller frees; NULL without memory. */
static char *join(char *const *logins) {
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; logins[i]; i++)
		fprintf(out, "%s%s", i > 0 ? "\n" : "", logins[i]);
	return fclose(out) == 0 ? text : NULL;
}

/* Written down with those whom it was about. */
static void owner_refuse(struct owner *owner, enum refusal refusal) {
	struct session *session = owner->session;
	const struct request *request = session->request;
	_cleanup_(freep) char *add = request->add ? join(request->add) : NULL;
	_cleanup_(freep) char *remove = request->remove ? join(request->remove) : NULL;

	if (is_list(session))
		act_record(session, "owner-list", owner->name, request->crate, NULL, NULL, refusal);
	if (add)
		act_record(session, "owner-add", owner->name, request->crate, NULL, add, refusal);
	if (remove)
		act_record(
			session, "owner-remove", owner->name, request->crate, NULL, remove, refusal);
	session_refuse(session, refusal, NULL);
}

static void write_result_begin(struct owner *owner) {
	json_write_object(owner->writer, NULL);
	json_write_string(owner->writer, "act", owner->step == STEP_ADD ? "add" : "remove");
	json_write_array(owner->writer, "users");
	for (char *const *login = step_logins(owner); *login; login++)
		json_write_string(owner->writer, NULL, *login);
	json_write_array_end(owner->writer);
}

static void owner_next(struct owner *owner);

static void owner_done(const struct deed_result *result, void *userdata) {
	struct owner *owner = userdata;

	write_result_begin(owner);
	deed_write(owner->writer, result);
	json_write_object_end(owner->writer);
	owner->deed = deed_free(owner->deed);
	owner->step++;
	owner_next(owner);
}

static enum refusal owner_start(struct owner *owner) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(freep) char *users = join(step_logins(owner));
	struct session *session = owner->session;
	struct deed_ask ask = {
		.errand = owner->step == STEP_ADD ? ERRAND_OWNERS_ADD : ERRAND_OWNERS_REMOVE,
		.op = owner->step == STEP_ADD ? "owner-add" : "owner-remove",
		.crate = session->request->crate,
		.users = users,
		.terminal = session->terminal,
		.session = session,
	};
	enum refusal refusal = mandate_use(owner->mandate, true, &account);
	int r;

	if (refusal != REFUSAL_NONE)
		return refusal;
	if (!users)
		return REFUSAL_NO_MEMORY;
	ask.account = account;
	r = deed_new(session->agent, &session->peer, &ask, NULL, owner_done, owner, &owner->deed);
	if (r == -EACCES)
		return REFUSAL_AUDIT_FAILED;
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static void owner_next(struct owner *owner) {
	for (; owner->step != STEP_END; owner->step++) {
		enum refusal refusal;

		if (!step_logins(owner))
			continue;
		refusal = session_is_left(owner->session) ? REFUSAL_DENIED : owner_start(owner);
		if (refusal == REFUSAL_NONE)
			return;
		write_result_begin(owner);
		deed_write_refused(owner->writer, refusal);
		json_write_object_end(owner->writer);
	}
	json_write_array_end(owner->writer);
	reply_ok_end(owner->writer);
	session_send(owner->session);
}

static struct json_writer *answer_begin(struct session *session) {
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_OWNER);
	json_write_string(writer, "name", session->request->crate);
	return writer;
}

/* Checked again here: to whom this is shown has to be able to trust it. */
static void write_find(struct json_writer *writer, const struct fields *find) {
	static const struct {
		const char *member;
		enum field field;
	} texts[] = {{"login", FIELD_LOGIN}, {"kind", FIELD_OWNER_KIND}, {"name", FIELD_NAME}};

	json_write_object(writer, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		_cleanup_(freep) char *text = NULL;

		(void) fields_get_string(find, (uint8_t) texts[i].field, &text); /* May be absent. */
		for (char *at = text; at && *at; at++) {
			if (*at < ' ' || *at > '~')
				*at = '?';
		}
		json_write_string(writer, texts[i].member, text);
	}
	json_write_object_end(writer);
}

static void write_owners(struct json_writer *writer, const struct fields *finds) {
	json_write_array(writer, "owners");
	for (size_t i = 0; i < FOUND_MAX; i++) {
		_cleanup_(fields_freep) struct fields *find = NULL;
		const uint8_t *bytes;
		size_t size;

		if (fields_get(finds, (uint8_t) (FIELD_FOUND + i), &bytes, &size) < 0 ||
			fields_parse(bytes, size, &find) < 0)
			break;
		write_find(writer, find);
	}
	json_write_array_end(writer);
}

static void owner_ask(struct owner *owner);

static void owner_listed(const struct deed_result *result, void *userdata) {
	struct owner *owner = userdata;
	struct session *session = owner->session;
	struct json_writer *writer;

	if (result->code == REFUSAL_AUTH_REQUIRED && !owner->text &&
		store_trouble(session->agent) == REFUSAL_NONE &&
		store_has_url(session->agent->store, session->url)) {
		owner->deed = deed_free(owner->deed);
		owner_ask(owner);
		return;
	}
	if (result->code != REFUSAL_NONE) {
		session_refuse(session, result->code, result->detail);
		return;
	}
	writer = answer_begin(session);
	json_write_array(writer, "results");
	json_write_array_end(writer);
	write_owners(writer, result->finds);
	deed_write_lines(writer, "warnings", result->warnings);
	reply_ok_end(writer);
	session_send(session);
}

static void owner_list_with(struct owner *owner, const struct account *account) {
	struct session *session = owner->session;
	const struct deed_ask ask = {
		.errand = ERRAND_OWNERS_LIST,
		.op = "owner-list",
		.account = account,
		.crate = session->request->crate,
		.terminal = session->terminal,
	};
	int r = deed_new(session->agent, &session->peer, &ask, NULL, owner_listed, owner,
		&owner->deed);

	if (r < 0)
		session_fail(session, r, "listing owners");
}

static void owner_agreed(enum refusal refusal, void *userdata) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct owner *owner = userdata;
	struct session *session = owner->session;

	if (refusal == REFUSAL_NONE && is_list(session))
		refusal = mandate_use(owner->mandate, true, &account);
	if (refusal != REFUSAL_NONE) {
		owner_refuse(owner, refusal);
		return;
	}
	if (is_list(session)) {
		owner_list_with(owner, account);
		return;
	}
	owner->writer = answer_begin(session);
	json_write_array(owner->writer, "owners");
	json_write_array_end(owner->writer);
	deed_write_lines(owner->writer, "warnings", NULL);
	json_write_array(owner->writer, "results");
	owner_next(owner);
}

static void owner_ask(struct owner *owner) {
	struct session *session = owner->session;
	enum refusal refusal = REFUSAL_NO_MEMORY;

	if (owner_text(session, owner->name, &owner->text) == 0)
		refusal = mandate_new(session, owner->name, owner->text, "Approve?", owner_agreed,
			owner, &owner->mandate);
	if (refusal != REFUSAL_NONE)
		owner_refuse(owner, refusal);
}

/* As anybody: the way to the registry is the account's, or for crates.io built in. */
static void owner_list(struct owner *owner) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = owner->session;
	enum refusal refusal = mandate_find(session, owner->name, false, &account);

	if (refusal != REFUSAL_NONE && registry_url_is_crates_io(session->url)) {
		account = account_new(session->url, owner->name);
		if (account)
			account->api = strdup(CRATES_IO_API);
		refusal = account && account->api ? REFUSAL_NONE : REFUSAL_NO_MEMORY;
	}
	if (refusal == REFUSAL_LOCKED)
		owner_ask(owner); /* Its way is sealed. */
	else if (refusal != REFUSAL_NONE)
		owner_refuse(owner, refusal);
	else
		owner_list_with(owner, account);
}

void owner_handle(struct session *session) {
	struct owner *owner = calloc(1, sizeof(*owner));

	if (!owner) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	owner->session = session;
	owner->name = act_account(session);
	session_set_operation(session, owner, owner_free);
	if (is_list(session))
		owner_list(owner);
	else
		owner_ask(owner);
}
