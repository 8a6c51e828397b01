#include "sha256.h"

#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

struct sha256 {
	crypto_hash_sha256_state state;
};

int sha256_new(struct sha256 **ret) {
	if (sodium_init() < 0)
		return -EIO;
	struct sha256 *sum = calloc(1, sizeof(*sum));
	if (!sum)
		return -ENOMEM;
	(void) crypto_hash_sha256_init(&sum->state); /* None of the three can fail. */
	*ret = sum;
	return 0;
}

struct sha256 *sha256_free(struct sha256 *sum) {
	free(sum);
	return NULL;
}

void sha256_add(struct sha256 *sum, const void *bytes, size_t size) {
	(void) crypto_hash_sha256_update(&sum->state, bytes, size);
}

void sha256_take(struct sha256 *sum, unsigned char ret[SHA256_SIZE]) {
	(void) crypto_hash_sha256_final(&sum->state, ret);
	(void) crypto_hash_sha256_init(&sum->state);
}

void sha256_take_hex(struct sha256 *sum, char ret[SHA256_HEX_SIZE]) {
	unsigned char bytes[SHA256_SIZE];

	sha256_take(sum, bytes);
	(void) sodium_bin2hex(ret, SHA256_HEX_SIZE, bytes, sizeof(bytes));
}
