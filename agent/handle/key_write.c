#include "key_write.h"

#include <stddef.h>

#include "agent/account.h"
#include "agent/keypair.h"
#include "protocol/json.h"

static const char *footer_key_name(const struct account *account) {
	if (!account_signs(account))
		return NULL;
	return account->footer_key == FOOTER_KID ? "kid" : "kip";
}

void key_write(struct json_writer *writer, const struct account *account) {
	const struct keypair *key = account->key;

	json_write_string(writer, "type", key ? "asymmetric" : "bearer");
	json_write_string(writer, "subject", account->subject);
	json_write_string(writer, "footer-key", footer_key_name(account));
	json_write_string(writer, "public", key ? key->public : NULL);
	json_write_string(writer, "pid", key ? key->pid : NULL);
}

void key_write_next(struct json_writer *writer, const struct account *account) {
	const struct keypair *next = account->next_key;

	json_write_string(writer, "next-public", next ? next->public : NULL);
	json_write_string(writer, "next-pid", next ? next->pid : NULL);
}
