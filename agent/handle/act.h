#pragma once

/* What the agent's own acts at a registry have in common. */

#include "protocol/refusal.h"

struct session;

/* Sets session->url. Refuses an odd URL, a store that is not there, and a registry that is not ours. */
enum refusal act_check(struct session *session);
/* The account that the request names, or the default one. Borrowed. */
const char *act_account(const struct session *session);
/* A refusal in the audit log. `crate`, `version` and `users` (a line each) may be NULL. */
void act_record(const struct session *session, const char *op, const char *account,
	const char *crate, const char *version, const char *users, enum refusal refusal);
/* Written down, then refused. `crate` may be NULL. */
void act_refuse(struct session *session, const char *op, const char *account, const char *crate,
	enum refusal refusal);
