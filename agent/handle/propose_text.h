#pragma once

/* What a person is shown before the agent acts at a registry by itself. */

struct session;

/* All of the session's consignment. 0 and *ret (caller frees), or -ENOMEM. */
int propose_text(const struct session *session, const char *name, char **ret);
