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

/* Is there such a way? Only of a store that is locked. */
bool unattended_is_possible(const struct agent *agent);
/* 0 and *ret (caller frees), -ENOENT (there is no such way), or a negative errno; no callback then. */
int unattended_new(struct agent *agent, unattended_done_t done, void *userdata,
	struct unattended **ret);
struct unattended *unattended_free(struct unattended *unattended);
DEFINE_CLEANUP(struct unattended, unattended_free)
