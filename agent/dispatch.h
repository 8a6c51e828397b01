#pragma once

/* From a request to its handler: what has to be true before it runs. */

#include <stdbool.h>

#include "agent/rule/approval.h"
#include "protocol/kind.h"
#include "protocol/refusal.h"

struct session;

/* How far the store has to be before the handler runs. */
enum need {
	NEEDS_NOTHING,
	NEEDS_LOOK, /* the medium was looked at: store_state tells the truth */
	NEEDS_WAKE, /* and it is unlocked, where nobody need be asked for that */
	NEEDS_OPEN, /* unlocked; the passphrase is asked if need be */
};

struct dispatch_row {
	/* May be NULL. Runs once the medium was looked at, before any question: may refuse. */
	enum refusal (*check)(struct session *session);
	/* Ends the request, now or later, by session_send or session_refuse. */
	void (*handle)(struct session *session);
	enum need need;
	/* What approval (rule/approval) the handler has to get; ACT_NONE if none. */
	enum act act;
	/* It holds nothing of the store's, so that a lock need not end it. */
	bool survives_lock;
};

/* Runs session->request. */
void dispatch(struct session *session);

/* The row of the session's request. */
const struct dispatch_row *dispatch_row(const struct session *session);
