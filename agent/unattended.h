#pragma once

/*
 * A locked store opens without a person where what opens it lies beside it: in
 * the keyring, for one made with `--no-passphrase`, or in a systemd credential.
 * Any program of the user can get at that, too: assurance level 1.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct unattended;

/*
 * REFUSAL_NONE: it is open. REFUSAL_LOCKED: not by this way; a person may still
 * open it. May free the object as its last act.
 */
typedef void (*unattended_done_t)(enum refusal refusal, void *userdata);

/* Does the store, locked or open, have such a way that has proved to work, or that it was made with? */
bool unattended_is_enough(const struct agent *agent);

/* Is there such a way to try? Only of a store that is locked. */
bool unattended_is_possible(const struct agent *agent);
/*
 * Looks at the medium anew first; with `may_ask` a keyring may ask the person to
 * unlock it. 0 and *ret (caller frees), or a negative errno and no callback.
 */
int unattended_new(struct agent *agent, bool may_ask, unattended_done_t done, void *userdata,
	struct unattended **ret);
/* After the callback's REFUSAL_NONE: was it this that opened it, and nobody else meanwhile? */
bool unattended_did_open(const struct unattended *unattended);
struct unattended *unattended_free(struct unattended *unattended);
DEFINE_CLEANUP(struct unattended, unattended_free)
