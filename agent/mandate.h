#pragma once

/*
 * A person's approval for acts that the agent performs itself, and the account
 * for which it was given. On a locked store the same passphrase unlocks and approves.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct account;
struct mandate;
struct session;

/* REFUSAL_NONE: approved, the store is open, and the account is there. May free the mandate as its last act. */
typedef void (*mandate_done_t)(enum refusal refusal, void *userdata);

/*
 * Asks for the approval that the dispatch row of the session's request names. `name` and
 * `text` are borrowed. REFUSAL_NONE and *ret (caller frees): it will call back; or the refusal.
 */
enum refusal mandate_new(struct session *session, const char *name, const char *text,
	const char *question, mandate_done_t done, void *userdata, struct mandate **ret);
struct mandate *mandate_free(struct mandate *mandate);
DEFINE_CLEANUP(struct mandate, mandate_free)

/*
 * The account of session->url, as long as its token may be used and it is known
 * where it may go: REFUSAL_NONE and *ret (caller frees), with its token if that is wanted.
 */
enum refusal mandate_find(
	const struct session *session, const char *name, bool with_token, struct account **ret);
