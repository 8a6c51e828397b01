#include "act.h"

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/request.h"

enum refusal act_check(struct session *session) {
	enum refusal refusal = store_trouble(session->agent);

	if (registry_url_canonical(session->request->index_url, &session->url) < 0)
		return REFUSAL_BAD_URL;
	if (refusal == REFUSAL_NO_STORE)
		return REFUSAL_NOT_FOUND;
	if (refusal == REFUSAL_NONE && !store_has_url(session->agent->store, session->url))
		return REFUSAL_NOT_FOUND;
	return refusal;
}

const char *act_account(const struct session *session) {
	return session->request->account ? session->request->account : ACCOUNT_DEFAULT;
}

void act_record(const struct session *session, const char *op, const char *account,
	const char *crate, const char *version, const char *users, enum refusal refusal) {
	const struct audit_entry entry = {
		.op = op,
		.url = session->url,
		.account = account,
		.crate = crate,
		.version = version,
		.refusal = refusal,
		.users = users,
		.peer = &session->peer,
	};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a refusal could not be written to the audit log");
}

void act_refuse(struct session *session, const char *op, const char *account, const char *crate,
	enum refusal refusal) {
	act_record(session, op, account, crate, NULL, NULL, refusal);
	session_refuse(session, refusal, NULL);
}
