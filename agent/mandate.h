#pragma once

/*
 * A person's approval for acts that the agent performs itself. It is for the account as it
 * was then: with another token, another API or CA under the same name it is worth nothing.
 * It ends with the lock. On a locked store the same passphrase unlocks and approves.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct account;
struct agent;
struct mandate;
struct session;

/* REFUSAL_NONE: approved, the store is open, and the account is there. Must not free the mandate. */
typedef void (*mandate_done_t)(enum refusal refusal, void *userdata);

/*
 * Asks for the approval that the dispatch row of the session's request names. `name` and
 * `text` are borrowed. REFUSAL_NONE and *ret (caller frees): it will call back; or the refusal.
 */
enum refusal mandate_new(struct session *session, const char *name, const char *text,
	const char *question, mandate_done_t done, void *userdata, struct mandate **ret);
struct mandate *mandate_free(struct mandate *mandate);
DEFINE_CLEANUP(struct mandate, mandate_free)

/* What a failure to find or open an account means. */
enum refusal mandate_find_refusal(int error);

/*
 * What was approved, for one more act: the account (caller frees), with its token if that is
 * wanted. REFUSAL_LOCKED once the store was locked, REFUSAL_NOT_APPROVED if it is another by now.
 */
enum refusal mandate_use(
	const struct mandate *mandate, bool with_token, struct account **ret);
/* The store locks: no approval is good any more. */
void mandate_lock_all(struct agent *agent);

/*
 * The account of session->url, as long as its token may be used and it is known
 * where it may go: REFUSAL_NONE and *ret (caller frees), with its token if that is wanted.
 */
enum refusal mandate_find(
	const struct session *session, const char *name, bool with_token, struct account **ret);
