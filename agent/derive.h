#pragma once

/*
 * A passphrase becomes a key: Argon2id in worker-kdf, one at a time over the
 * whole agent, since each takes a quarter of a gigabyte for a second.
 */

#include "agent/store/seal.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct derive;
struct secret;

/* `key` is borrowed, NULL unless `refusal` is REFUSAL_NONE. May free the derivation as its last act. */
typedef void (*derive_done_t)(enum refusal refusal, const struct secret *key, void *userdata);

/* Copies the passphrase. 0 and *ret (caller frees), or a negative errno and no callback. */
int derive_new(struct agent *agent, const struct kdf *kdf, const struct secret *passphrase,
	derive_done_t done, void *userdata, struct derive **ret);
struct derive *derive_free(struct derive *derive);
DEFINE_CLEANUP(struct derive, derive_free)
