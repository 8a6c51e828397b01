#pragma once

/*
 * The seal over a store: a public header with a key slot, and the data key
 * that the slot wraps. Closed, it tells only which URLs may be ours; open, it
 * encrypts and decrypts records one at a time.
 *
 * Header (fields): format, 16 random bytes that name the store, a 32-byte salt
 * for the tags, and the passphrase slot: Argon2id salt and parameters, nonce,
 * wrapped key; or the open slot, whose key lies beside the store: nonce, wrapped
 * key. A record is tags (two of 16 bytes: of the URL, and of URL and
 * account), nonce (24), XChaCha20-Poly1305 of its fields; bound in as
 * associated data are the header's hash, the record's id and its tags.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct fields;
struct seal;
struct secret;

#define SEAL_KEY_SIZE 32
#define SEAL_SALT_SIZE 16
#define SEAL_TAG_SIZE 16
#define SEAL_TAGS_SIZE (2 * SEAL_TAG_SIZE)
#define SEAL_TAG_SALT_SIZE 32

/* Bounds on what a header may ask of us: a forged one must not cost 1 TiB. */
#define SEAL_MEMLIMIT_MAX ((uint64_t) 1024 * 1024 * 1024)
#define SEAL_OPSLIMIT_MAX 10

/* How a passphrase becomes the slot's key: Argon2id 1.3. */
struct kdf {
	uint8_t salt[SEAL_SALT_SIZE];
	uint64_t opslimit;
	uint64_t memlimit; /* bytes */
};

/* A fresh salt and libsodium's MODERATE parameters. */
void kdf_init(struct kdf *kdf);

/*
 * Makes a new seal, open, with a new data key. `slot_key` (SEAL_KEY_SIZE) wraps
 * it: that of a passphrase with `kdf`, without it the one of an open slot. With
 * `slot_key` NULL, too, there is no slot: closing it is for good.
 */
int seal_new(const struct kdf *kdf, const struct secret *slot_key, struct seal **ret);
/* Reads a header: a closed seal. 0, -EBADMSG, -ENOTSUP (newer), -ENOMEM. */
int seal_read(const void *header, size_t size, struct seal **ret);
struct seal *seal_free(struct seal *seal);
DEFINE_CLEANUP(struct seal, seal_free)

/* Borrowed. */
const uint8_t *seal_header(const struct seal *seal, size_t *ret_size);
/* NULL if there is no passphrase slot. */
const struct kdf *seal_kdf(const struct seal *seal);
/* Its key is no passphrase's, but lies somewhere beside it. */
bool seal_has_open_slot(const struct seal *seal);
/* What the tags are salted with (SEAL_TAG_SALT_SIZE bytes), borrowed; it is no secret. */
const uint8_t *seal_tag_salt(const struct seal *seal);

/* 0, -EKEYREJECTED (wrong passphrase), -ENOMEM. */
int seal_open(struct seal *seal, const struct secret *slot_key);
/* The same check; changes nothing. */
int seal_check(const struct seal *seal, const struct secret *slot_key);
/* Wipes the data key. */
void seal_close(struct seal *seal);
bool seal_is_open(const struct seal *seal);

/*
 * The tags of a URL and account; works closed. `account` NULL leaves the
 * second half zero, and then it cannot fail. 0 or -ENOMEM.
 */
int seal_tags(const struct seal *seal, const char *url, const char *account,
	uint8_t ret[SEAL_TAGS_SIZE]);

/* Caller frees *ret. 0, -ENOKEY (closed), -ENOMEM. `tags` may be NULL: zeros. */
int seal_encrypt(const struct seal *seal, const uint8_t *id, const uint8_t *tags,
	const struct fields *fields, uint8_t **ret, size_t *ret_size);
/* 0, -ENOKEY, -EBADMSG (changed, or not of this store), -ENOMEM. */
int seal_decrypt(const struct seal *seal, const uint8_t *id, const uint8_t *bytes, size_t size,
	struct fields **ret);
