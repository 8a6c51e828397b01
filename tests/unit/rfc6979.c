#include "rfc6979.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "protocol/secret.h"

#define SIZE SHA384_SIZE /* of a hash, of the order, of all numbers here */

/* The generator of section 3.2: a key and a value of HMAC. */
struct nonces {
	uint8_t key[SIZE];
	uint8_t value[SIZE];
};

static void hmac(struct nonces *nonces, const uint8_t *text, size_t size, uint8_t *ret) {
	uint8_t result[SIZE];
	unsigned n;

	assert_non_null(
		HMAC(EVP_sha384(), nonces->key, (int) sizeof(nonces->key), text, size, result, &n));
	assert_int_equal(n, SIZE);
	memcpy(ret, result, SIZE);
}

/* Steps d and e, or f and g: by the mark. */
static void nonces_mix(struct nonces *nonces, uint8_t mark, const uint8_t *seed, size_t size) {
	uint8_t text[SIZE + 1 + 2 * SIZE];

	memcpy(text, nonces->value, SIZE);
	text[SIZE] = mark;
	memcpy(text + SIZE + 1, seed, size);
	hmac(nonces, text, SIZE + 1 + size, nonces->key);
	hmac(nonces, nonces->value, SIZE, nonces->value);
}

static void nonces_init(
	struct nonces *nonces, const uint8_t scalar[SIZE], const uint8_t hash[SIZE]) {
	uint8_t seed[2 * SIZE];

	memcpy(seed, scalar, SIZE);
	memcpy(seed + SIZE, hash, SIZE);
	memset(nonces->key, 0, SIZE);
	memset(nonces->value, 1, SIZE);
	nonces_mix(nonces, 0, seed, sizeof(seed));
	nonces_mix(nonces, 1, seed, sizeof(seed));
}

static void nonces_take(struct nonces *nonces, const BIGNUM *order, BIGNUM *ret) {
	for (;;) {
		hmac(nonces, nonces->value, SIZE, nonces->value);
		assert_non_null(BN_bin2bn(nonces->value, SIZE, ret));
		if (!BN_is_zero(ret) && BN_cmp(ret, order) < 0)
			return;
		nonces_mix(nonces, 0, NULL, 0);
	}
}

/* r = (nonce * generator).x mod order; s = (hash + r * scalar) / nonce mod order. */
static void sign(const EC_GROUP *group, const BIGNUM *scalar, const BIGNUM *hash,
	const BIGNUM *nonce, uint8_t *ret) {
	const BIGNUM *order = EC_GROUP_get0_order(group);
	EC_POINT *point = EC_POINT_new(group);
	BN_CTX *room = BN_CTX_new();
	BIGNUM *r = BN_new(), *s = BN_new(), *inverse = BN_new();

	assert_true(point && room && r && s && inverse);
	assert_true(EC_POINT_mul(group, point, nonce, NULL, NULL, room) &&
		    EC_POINT_get_affine_coordinates(group, point, r, NULL, room) &&
		    BN_nnmod(r, r, order, room) && BN_mod_mul(s, r, scalar, order, room) &&
		    BN_mod_add(s, s, hash, order, room) &&
		    BN_mod_inverse(inverse, nonce, order, room) &&
		    BN_mod_mul(s, s, inverse, order, room));
	assert_int_equal(BN_bn2binpad(r, ret, SIZE), SIZE);
	assert_int_equal(BN_bn2binpad(s, ret + SIZE, SIZE), SIZE);
	BN_free(r);
	BN_free(s);
	BN_free(inverse);
	BN_CTX_free(room);
	EC_POINT_free(point);
}

int __wrap_p384_key_sign(const struct p384_key *key, const void *bytes, size_t size,
	uint8_t ret[P384_SIGNATURE_SIZE]) {
	const uint8_t *secret = secret_peek(p384_key_scalar(key));
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
	BIGNUM *scalar = BN_bin2bn(secret, SIZE, NULL), *hash = BN_new(), *nonce = BN_new();
	uint8_t digest[SHA384_SIZE];
	struct nonces nonces;

	assert_true(group && scalar && hash && nonce);
	assert_int_equal(sha384(bytes, size, digest), 0);
	assert_non_null(BN_bin2bn(digest, SIZE, hash));
	if (BN_cmp(hash, EC_GROUP_get0_order(group)) >= 0)
		assert_true(BN_sub(hash, hash, EC_GROUP_get0_order(group)));
	assert_int_equal(BN_bn2binpad(hash, digest, SIZE), SIZE);
	nonces_init(&nonces, secret, digest);
	nonces_take(&nonces, EC_GROUP_get0_order(group), nonce);
	sign(group, scalar, hash, nonce, ret);
	BN_free(scalar);
	BN_free(hash);
	BN_free(nonce);
	EC_GROUP_free(group);
	return 0;
}
