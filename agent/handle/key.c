/* `key`: the key of an account that signs. */

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/handle/act.h"
#include "agent/handle/handle.h"
#include "agent/mandate.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/refusal.h"

void key_handle(struct session *session) {
	_cleanup_(account_freep) struct account *account = NULL;
	const char *name = act_account(session);
	int r = store_find(session->agent->store, session->url, name, false, &account);

	session_refuse(session, r < 0 ? mandate_find_refusal(r) : REFUSAL_NO_KEY, name);
}
