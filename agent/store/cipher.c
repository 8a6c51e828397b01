#include "cipher.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>

#include "protocol/secret.h"

static_assert(CIPHER_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
static_assert(CIPHER_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
static_assert(CIPHER_AUTH_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
static_assert(CIPHER_SALT_SIZE == crypto_pwhash_argon2id_SALTBYTES, "salt");
static_assert(CIPHER_KDF_OPSLIMIT == crypto_pwhash_argon2id_OPSLIMIT_MODERATE, "passes");
static_assert(CIPHER_KDF_MEMLIMIT == crypto_pwhash_argon2id_MEMLIMIT_MODERATE, "memory");
static_assert(CIPHER_KDF_MEMLIMIT_MIN == crypto_pwhash_argon2id_MEMLIMIT_MIN, "memory");

int cipher_init(void) {
	return sodium_init() < 0 ? -EIO : 0;
}

void cipher_random(void *bytes, size_t size) {
	randombytes_buf(bytes, size);
}

void cipher_hash(uint8_t ret[CIPHER_HASH_SIZE], const void *bytes, size_t size) {
	(void) crypto_generichash(ret, CIPHER_HASH_SIZE, bytes, size, NULL, 0);
}

void cipher_tag(uint8_t *ret, size_t size, const uint8_t *key, const void *bytes, size_t n_bytes) {
	(void) crypto_generichash(ret, size, bytes, n_bytes, key, CIPHER_KEY_SIZE);
}

void cipher_encrypt(uint8_t *ret, const void *bytes, size_t size, const void *associated,
	size_t associated_size, const uint8_t nonce[CIPHER_NONCE_SIZE], const struct secret *key) {
	assert(secret_size(key) == CIPHER_KEY_SIZE);
	(void) crypto_aead_xchacha20poly1305_ietf_encrypt(ret, NULL, bytes, size, associated,
		associated_size, NULL, nonce, secret_peek(key));
}

int cipher_decrypt(uint8_t *ret, const void *bytes, size_t size, const void *associated,
	size_t associated_size, const uint8_t nonce[CIPHER_NONCE_SIZE], const struct secret *key) {
	assert(secret_size(key) == CIPHER_KEY_SIZE);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret, NULL, NULL, bytes, size, associated,
		    associated_size, nonce, secret_peek(key)) != 0)
		return -EBADMSG;
	return 0;
}
