/* `list`: the accounts, each without its token. */

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/consent.h"
#include "agent/handle/handle.h"
#include "agent/handle/key_write.h"
#include "agent/passphrase.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/reply.h"

enum refusal list_check(struct session *session) {
	return store_trouble(session->agent);
}

static void write_account(struct json_writer *writer, const struct account *account) {
	json_write_object(writer, NULL);
	json_write_string(writer, "index", account->url);
	json_write_bytes(
		writer, "account", account->name, (size_t) account_given_size(account));
	json_write_string(writer, "for", account_is_for_read(account) ? "read" : "all");
	json_write_string(writer, "api", account->api);
	json_write_string(writer, "dl", account->dl);
	key_write(writer, account);
	key_write_next(writer, account);
	json_write_integer(writer, "added", account->added);
	if (account->expires > 0)
		json_write_integer(writer, "expires", account->expires);
	else
		json_write_string(writer, "expires", NULL);
	json_write_string(writer, "scope", account->scope);
	json_write_string(writer, "crates", account->crates);
	json_write_bool(writer, "readable", account_is_readable(account));
	json_write_bool(writer, "plain-http", account->is_plain_http);
	json_write_bool(writer, "private-ca", account->ca_pem);
	json_write_string(writer, "proxy", account->proxy);
	json_write_object_end(writer);
}

void list_handle(struct session *session) {
	const struct store *store = session->agent->store;
	struct json_writer *writer = session_answer(session, false);

	reply_ok_begin(writer, KIND_LIST);
	json_write_integer(
		writer, "level", protection_level(agent_protection(session->agent)));
	json_write_string(writer, "store", store_medium_name(store));
	json_write_array(writer, "accounts");
	for (size_t i = 0; i < store_n_accounts(store); i++) {
		_cleanup_(account_freep) struct account *account = NULL;
		int r = store_at(store, i, &account);

		if (r < 0) {
			session_fail(session, r, "reading an account");
			return;
		}
		write_account(writer, account);
	}
	json_write_array_end(writer);
	reply_ok_end(writer);
	session_send(session);
}
