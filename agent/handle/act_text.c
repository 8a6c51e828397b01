#include "act_text.h"

#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/clean_text.h"
#include "agent/keypair.h"
#include "agent/peer.h"
#include "agent/rule/expiry.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/cleanup.h"

static void write_told(FILE *out, const struct account *account) {
	if (!account->scope && !account->crates)
		return;
	fprintf(out, "  told of it  ");
	clean_text_write(out, account->scope ? account->scope : "any act");
	if (account->crates) {
		fprintf(out, " on ");
		clean_text_write(out, account->crates);
	}
	(void) fputc('\n', out);
}

void act_text_token(FILE *out, const struct account *account) {
	int days = expiry_warning_days(account->expires, (int64_t) time(NULL));
	const char *what = account_signs(account) ? "key" : "token";

	if (days > 0)
		fprintf(out, "  %-10sexpires in %d day%s: make a new one soon\n", what, days,
			days == 1 ? "" : "s");
	else if (days == 0)
		fprintf(out, "  %-10sexpires in less than a day: make a new one now\n", what);
	if (account_signs(account))
		fprintf(out, "  signed    with the key %s\n", account->key->pid);
	write_told(out, account);
}

void act_text_begin(FILE *out, const struct session *session, const char *act, const char *name) {
	_cleanup_(account_freep) struct account *account = NULL;

	fprintf(out, "cpub-agent: approve %s?\n", act);
	fprintf(out, "  registry  %s\n", session->url);
	fprintf(out, "  account   %s\n", name);
	if (store_find(session->agent->store, session->url, name, false, &account) < 0)
		return;
	if (account->api)
		fprintf(out, "  sent to   %s\n", account->api);
	act_text_token(out, account);
}

void act_text_end(FILE *out, const struct session *session) {
	_cleanup_(freep) char *who = peer_describe(&session->peer);

	fprintf(out, "  asked by  %s (claimed)\n", who ? who : "?");
}
