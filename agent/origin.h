#pragma once

/*
 * Before a token goes to cargo: does the index still name the API and the
 * download URL that were pinned at login? cargo sends the token where the
 * index says.
 */

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct origin;
struct route;

/*
 * REFUSAL_NONE: it does, or it could not be asked in time, which is logged.
 * REFUSAL_ORIGIN_CHANGED: `detail` (borrowed) says to what. REFUSAL_AUTH_REQUIRED,
 * _TOKEN_REJECTED, _KEY_UNKNOWN, _REDIRECT: it wants something else than at login. Or why the question to it
 * could not be signed. May free the object as
 * its last act.
 */
typedef void (*origin_done_t)(enum refusal refusal, const char *detail, void *userdata);

/*
 * Copies what it needs of the route. Returns 0 and *ret (caller frees); 1 where
 * there is nothing to ask (a git index, an account that is not pinned); or a negative errno.
 */
int origin_new(struct agent *agent, const struct route *route, origin_done_t done, void *userdata,
	struct origin **ret);
struct origin *origin_free(struct origin *origin);
DEFINE_CLEANUP(struct origin, origin_free)
