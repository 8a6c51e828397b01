#pragma once

/*
 * Secret bytes: passphrases, tokens, keys, and whole protocol lines that may
 * hold one. They lie in guarded memory that is kept out of swap and core dumps
 * and is wiped when freed. A secret has no text form and is never printed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct secret;

/*
 * Makes a secret of `size` zero bytes (1 or more) in *ret; the caller frees.
 * Returns 0, -EINVAL for size 0, or -ENOMEM.
 */
int secret_new(size_t size, struct secret **ret);

/* As secret_new, filled with a copy of `bytes`; the original is not touched. */
int secret_from(const void *bytes, size_t size, struct secret **ret);

/* Wipes and frees; NULL is fine. Returns NULL. */
struct secret *secret_free(struct secret *secret);
DEFINE_CLEANUP(struct secret, secret_free)

/* The bytes, borrowed: valid until secret_free. Not terminated by NUL. */
uint8_t *secret_bytes(struct secret *secret);
const uint8_t *secret_peek(const struct secret *secret);
size_t secret_size(const struct secret *secret);

/* Makes it shorter, wiping what is cut off. `size` may be 0, never more than now. */
void secret_shrink(struct secret *secret, size_t size);

/* Compares in constant time for equal sizes. */
bool secret_equal(const struct secret *a, const struct secret *b);

/* How many secrets alive now could not be locked into memory (RLIMIT_MEMLOCK). */
size_t secret_n_unlocked(void);
