#pragma once

/*
 * A token for one request of an account that signs, good for that request alone. Its key is
 * opened when all else is known, goes to worker-sign, and is not kept.
 *
 *   the registry's clock, where nobody has told it lately → the key → worker-sign → the token
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/kind.h"
#include "protocol/refusal.h"

struct account;
struct agent;
struct keypair;
struct secret;
struct signing;

/* All is borrowed during signing_new only. */
struct signing_ask {
	/* That signs, as it was when it was agreed to: after a change it signs nothing. */
	const struct account *account;
	const struct keypair *key; /* its private key, of an account that is not stored; else NULL */
	const char *index_url;	   /* as the request names the registry; NULL: as the login did */
	enum operation operation;
	const char *crate; /* these as the operation has them */
	const char *version;
	const char *checksum;
	const char *challenge; /* of the registry, valid; NULL without. It is signed once. */
	int terminal;	       /* where to warn of the clock; -1: in the log alone */
};

/* `token` is the callback's to free; NULL unless `refusal` is REFUSAL_NONE. May free the object last. */
typedef void (*signing_done_t)(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata);

/*
 * Never calls back from within. 0 and *ret (caller frees), -EEXIST for a challenge that was
 * signed before, or another negative errno.
 */
int signing_new(struct agent *agent, const struct signing_ask *ask, signing_done_t done,
	void *userdata, struct signing **ret);
/* The store locks: what has not been signed yet is not. */
void signing_lock_all(struct agent *agent);
struct signing *signing_free(struct signing *signing);
DEFINE_CLEANUP(struct signing, signing_free)
