#include "expiring.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/account.h"
#include "agent/rule/expiry.h"
#include "agent/store/store.h"
#include "protocol/json.h"

void expiring_done(struct expiring *expiring) {
	for (size_t i = 0; i < expiring->n; i++) {
		free(expiring->list[i].url);
		free(expiring->list[i].name);
	}
	expiring->n = 0;
	expiring->is_known = false;
}

/* Puts it in its place, and drops what is latest where there are too many. */
static void expiring_add(struct expiring *expiring, struct account *account) {
	struct expiring_account *list = expiring->list;
	size_t at = expiring->n;

	while (at > 0 && list[at - 1].expires > account->expires)
		at--;
	if (at == EXPIRING_MAX)
		return;
	if (expiring->n == EXPIRING_MAX) {
		free(list[EXPIRING_MAX - 1].url);
		free(list[EXPIRING_MAX - 1].name);
		expiring->n--;
	}
	memmove(list + at + 1, list + at, (expiring->n - at) * sizeof(*list));
	account->name[account_given_size(account)] = '\0';
	list[at] = (struct expiring_account){
		TAKE_PTR(account->url), TAKE_PTR(account->name), account->expires};
	expiring->n++;
}

static void expiring_look(struct expiring *expiring, const struct store *store) {
	expiring_done(expiring);
	for (size_t i = 0; i < store_n_accounts(store); i++) {
		_cleanup_(account_freep) struct account *account = NULL;

		/* Of one that does not open, `list` and its use complain. */
		if (store_at(store, i, &account) == 0 && account->expires > 0)
			expiring_add(expiring, account);
	}
	expiring->generation = store_generation(store);
	expiring->is_known = true;
}

void expiring_write(
	struct expiring *expiring, const struct store *store, struct json_writer *writer) {
	int64_t now = (int64_t) time(NULL);
	bool is_open = store_state(store) == STORE_OPEN;

	if (is_open && (!expiring->is_known || expiring->generation != store_generation(store)))
		expiring_look(expiring, store);
	json_write_array(writer, "expiring");
	for (size_t i = 0; is_open && i < expiring->n; i++) {
		const struct expiring_account *account = &expiring->list[i];

		if (expiry_warning_days(account->expires, now) < 0)
			break;
		json_write_object(writer, NULL);
		json_write_string(writer, "index", account->url);
		json_write_string(writer, "account", account->name);
		json_write_integer(writer, "expires", account->expires);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}
