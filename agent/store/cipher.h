#pragma once

/*
 * The primitives of the store, by libsodium: BLAKE2b, XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha, IETF variant), random bytes, and the sizes of Argon2id.
 */

#include <stddef.h>
#include <stdint.h>

struct secret;

#define CIPHER_HASH_SIZE 32
#define CIPHER_KEY_SIZE 32
#define CIPHER_NONCE_SIZE 24
#define CIPHER_AUTH_SIZE 16
#define CIPHER_SALT_SIZE 16

/* libsodium's MODERATE; and the least memory that it takes, in bytes. */
#define CIPHER_KDF_OPSLIMIT 3
#define CIPHER_KDF_MEMLIMIT ((uint64_t) 256 * 1024 * 1024)
#define CIPHER_KDF_MEMLIMIT_MIN 8192

/* Once before the others: 0 or -EIO. */
int cipher_init(void);

void cipher_random(void *bytes, size_t size);

/* BLAKE2b-256. */
void cipher_hash(uint8_t ret[CIPHER_HASH_SIZE], const void *bytes, size_t size);
/* BLAKE2b of `size` (16 to 64) bytes, keyed with CIPHER_KEY_SIZE bytes that need not be secret. */
void cipher_tag(uint8_t *ret, size_t size, const uint8_t *key, const void *bytes, size_t n_bytes);

/* Writes `size` + CIPHER_AUTH_SIZE bytes. The nonce must be fresh and random. */
void cipher_encrypt(uint8_t *ret, const void *bytes, size_t size, const void *associated,
	size_t associated_size, const uint8_t nonce[CIPHER_NONCE_SIZE], const struct secret *key);
/* Takes `size` bytes, the tag included; writes CIPHER_AUTH_SIZE less. 0 or -EBADMSG. */
int cipher_decrypt(uint8_t *ret, const void *bytes, size_t size, const void *associated,
	size_t associated_size, const uint8_t nonce[CIPHER_NONCE_SIZE], const struct secret *key);
