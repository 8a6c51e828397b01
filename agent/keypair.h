#pragma once

/*
 * The key of an account that signs: what is private of it and what is public, as texts
 * (PASERK, https://github.com/paseto-standard/paserk). Made and read by worker-sign alone.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct keymaker;
struct secret;

struct keypair {
	struct secret *secret; /* k3.secret.…; NULL unless it was asked for */
	char *public;	       /* k3.public.…, for the registry */
	char *pid;	       /* k3.pid.…, by which the registry finds it */
};

/* Another one like it; without what is private unless `with_secret`. NULL without memory. */
struct keypair *keypair_copy(const struct keypair *pair, bool with_secret);
struct keypair *keypair_free(struct keypair *pair);
DEFINE_CLEANUP(struct keypair, keypair_free)

/* `pair` is the callback's to free; NULL unless `refusal` is REFUSAL_NONE. May free the object last. */
typedef void (*keymaker_done_t)(enum refusal refusal, struct keypair *pair, void *userdata);

/*
 * Makes a key; or reads the one in `given`, a text of either kind, which is copied:
 * REFUSAL_BAD_KEY if it is none. 0 and *ret (caller frees), or a negative errno.
 */
int keymaker_new(struct agent *agent, const struct secret *given, keymaker_done_t done,
	void *userdata, struct keymaker **ret);
struct keymaker *keymaker_free(struct keymaker *maker);
DEFINE_CLEANUP(struct keymaker, keymaker_free)
