/*
 * What libcrypto keeps of a private key: numbers in its secure heap, which is locked where the
 * limit allows, left out of core dumps, and wiped when they are freed with the key. What remains
 * until this process ends, which it does with its answer: while a PEM text is read, copies in
 * buffers of libcrypto's decoders, on the stack and on the ordinary heap, not all of them wiped.
 * A scalar does not go that way.
 *
 * The nonces of signatures are libcrypto's own, hedged: made of the private key, the hash of the
 * message and random numbers, as by BN_generate_dsa_nonce(3), so that a weak source of the last
 * does not give the key away.
 */

#include "p384.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/secret.h"

#define CURVE "secp384r1"
/* Both powers of two: room for a few keys, and the least that one number takes of it. */
#define SECURE_HEAP_SIZE ((size_t) 32 * 1024)
#define SECURE_HEAP_LEAST 32u
/* r and s in DER, with room. */
#define DER_SIZE_MAX 128u
/* A point that is not compressed: 04, x, y. */
#define LONG_POINT_SIZE (1 + 2 * P384_SCALAR_SIZE)

struct p384_key {
	struct secret *scalar;
	uint8_t point[P384_POINT_SIZE];
	EVP_PKEY *pair;
};

/* Their destructors return nothing, or what nobody asks for. */
#define DEFINE_FREE(type, free_function)                                                           \
	static inline void free_function##_p(type **p) {                                           \
		(void) free_function(*p);                                                          \
	}
DEFINE_FREE(BIO, BIO_free)
DEFINE_FREE(BIGNUM, BN_clear_free)
DEFINE_FREE(ECDSA_SIG, ECDSA_SIG_free)
DEFINE_FREE(EC_GROUP, EC_GROUP_free)
DEFINE_FREE(EC_POINT, EC_POINT_clear_free)
DEFINE_FREE(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_FREE(EVP_PKEY, EVP_PKEY_free)
DEFINE_FREE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_FREE(OSSL_PARAM, OSSL_PARAM_free)
DEFINE_FREE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

int p384_begin(void) {
	/*
	 * No configuration file: it could name code to load, and this process opens no file. No
	 * putting in order at the end of a process that is over then. And neither the tables of
	 * ciphers and digests from before there were providers, nor the words of errors, which
	 * nobody sees: to fill them takes as long as to sign.
	 */
	const uint64_t options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT |
				 OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
				 OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS;

	if (OPENSSL_init_crypto(options, NULL) != 1)
		return -EIO;
	/* 2 says that it could not be locked: as with our own secrets, the work goes on. */
	if (!CRYPTO_secure_malloc_initialized() &&
		CRYPTO_secure_malloc_init(SECURE_HEAP_SIZE, SECURE_HEAP_LEAST) == 0)
		return -ENOMEM;
	return 0;
}

/* The scalar as a number, if it is a private key of that group. */
static int scalar_read(const struct secret *scalar, const EC_GROUP *group, BIGNUM **ret) {
	_cleanup_(BN_clear_free_p) BIGNUM *number = BN_secure_new();

	if (!number)
		return -ENOMEM;
	if (secret_size(scalar) != P384_SCALAR_SIZE)
		return -EBADMSG;
	if (!BN_bin2bn(secret_peek(scalar), P384_SCALAR_SIZE, number))
		return -ENOMEM;
	if (BN_is_zero(number) || BN_cmp(number, EC_GROUP_get0_order(group)) >= 0)
		return -EBADMSG;
	BN_set_flags(number, BN_FLG_CONSTTIME);
	*ret = TAKE_PTR(number);
	return 0;
}

/* Its public point, in both forms. */
static int point_of(const BIGNUM *number, const EC_GROUP *group, uint8_t ret[P384_POINT_SIZE],
	uint8_t ret_long[LONG_POINT_SIZE]) {
	_cleanup_(EC_POINT_clear_free_p) EC_POINT *point = EC_POINT_new(group);

	if (!point || EC_POINT_mul(group, point, number, NULL, NULL, NULL) != 1)
		return -EIO;
	if (EC_POINT_point2oct(group, point, POINT_CONVERSION_COMPRESSED, ret, P384_POINT_SIZE,
		    NULL) != P384_POINT_SIZE ||
		EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret_long,
			LONG_POINT_SIZE, NULL) != LONG_POINT_SIZE)
		return -EIO;
	return 0;
}

/*
 * The same of a point that is known. It costs a root, where a multiplication, or to check a
 * signature, costs as much as to sign.
 */
static int point_read(const uint8_t known[P384_POINT_SIZE], const EC_GROUP *group,
	uint8_t ret[P384_POINT_SIZE], uint8_t ret_long[LONG_POINT_SIZE]) {
	_cleanup_(EC_POINT_clear_free_p) EC_POINT *point = EC_POINT_new(group);

	if (!point)
		return -ENOMEM;
	/* With that it is on the curve, and by its length it is compressed. */
	if (EC_POINT_oct2point(group, point, known, P384_POINT_SIZE, NULL) != 1)
		return -EBADMSG;
	if (EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret_long,
		    LONG_POINT_SIZE, NULL) != LONG_POINT_SIZE)
		return -EIO;
	memcpy(ret, known, P384_POINT_SIZE);
	return 0;
}

static int pair_new(const BIGNUM *number, const uint8_t point[LONG_POINT_SIZE], EVP_PKEY **ret) {
	_cleanup_(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *list = OSSL_PARAM_BLD_new();
	_cleanup_(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *maker =
		EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pair = NULL;

	if (!list || !maker)
		return -ENOMEM;
	/* The number is copied into the secure heap, because it comes from there. */
	if (OSSL_PARAM_BLD_push_utf8_string(list, OSSL_PKEY_PARAM_GROUP_NAME, CURVE, 0) != 1 ||
		OSSL_PARAM_BLD_push_BN(list, OSSL_PKEY_PARAM_PRIV_KEY, number) != 1 ||
		OSSL_PARAM_BLD_push_octet_string(
			list, OSSL_PKEY_PARAM_PUB_KEY, point, LONG_POINT_SIZE) != 1)
		return -ENOMEM;
	_cleanup_(OSSL_PARAM_free_p) OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(list);
	if (!parameters)
		return -ENOMEM;
	if (EVP_PKEY_fromdata_init(maker) != 1 ||
		EVP_PKEY_fromdata(maker, &pair, EVP_PKEY_KEYPAIR, parameters) != 1)
		return -EIO;
	*ret = pair;
	return 0;
}

/* Takes the scalar, also on failure. Without a point, which may be NULL, it is worked out. */
static int key_from(struct secret *scalar, const uint8_t *point, struct p384_key **ret) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	_cleanup_(secret_freep) struct secret *owned = scalar;
	_cleanup_(EC_GROUP_free_p) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_secp384r1);
	_cleanup_(BN_clear_free_p) BIGNUM *number = NULL;
	uint8_t long_point[LONG_POINT_SIZE];

	key = calloc(1, sizeof(*key));
	if (!key || !group)
		return -ENOMEM;
	int r = scalar_read(owned, group, &number);
	if (r == 0)
		r = point ? point_read(point, group, key->point, long_point)
			  : point_of(number, group, key->point, long_point);
	if (r == 0)
		r = pair_new(number, long_point, &key->pair);
	if (r < 0)
		return r;
	key->scalar = TAKE_PTR(owned);
	*ret = TAKE_PTR(key);
	return 0;
}

int p384_key_new(struct p384_key **ret) {
	int r;

	/* The order is so near to 2^384 that one in 2^190 tries is out of bounds. */
	do {
		_cleanup_(secret_freep) struct secret *scalar = NULL;

		r = secret_new(P384_SCALAR_SIZE, &scalar);
		if (r < 0)
			return r;
		if (RAND_priv_bytes(secret_bytes(scalar), P384_SCALAR_SIZE) != 1)
			return -EIO;
		r = key_from(TAKE_PTR(scalar), NULL, ret);
	} while (r == -EBADMSG);
	return r;
}

static int key_from_copy(
	const struct secret *scalar, const uint8_t *point, struct p384_key **ret) {
	struct secret *copy;

	int r = secret_from(secret_peek(scalar), secret_size(scalar), &copy);
	return r < 0 ? r : key_from(copy, point, ret);
}

int p384_key_from_scalar(const struct secret *scalar, struct p384_key **ret) {
	return key_from_copy(scalar, NULL, ret);
}

int p384_key_from_pair(const struct secret *scalar, const uint8_t point[P384_POINT_SIZE],
	struct p384_key **ret) {
	return key_from_copy(scalar, point, ret);
}

/* Without one, libcrypto would ask for a passphrase on the terminal. */
static int no_passphrase(char *buffer, int size, int is_writing, void *of_ours) {
	(void) buffer;
	(void) size;
	(void) is_writing;
	(void) of_ours;
	return -1;
}

static int check_pair(EVP_PKEY *pair) {
	char curve[sizeof(CURVE) + 1];
	size_t size;

	if (!EVP_PKEY_is_a(pair, "EC") ||
		EVP_PKEY_get_group_name(pair, curve, sizeof(curve), &size) != 1 ||
		strcmp(curve, CURVE) != 0)
		return -EBADMSG;
	/* A file whose public key is another's was put together by mistake. */
	_cleanup_(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *checker =
		EVP_PKEY_CTX_new_from_pkey(NULL, pair, NULL);
	if (!checker)
		return -ENOMEM;
	return EVP_PKEY_check(checker) == 1 ? 0 : -EBADMSG;
}

static int scalar_of(const EVP_PKEY *pair, struct secret **ret) {
	_cleanup_(BN_clear_free_p) BIGNUM *number = BN_secure_new();
	_cleanup_(secret_freep) struct secret *scalar = NULL;

	if (!number)
		return -ENOMEM;
	if (EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1)
		return -EBADMSG;
	int r = secret_new(P384_SCALAR_SIZE, &scalar);
	if (r < 0)
		return r;
	if (BN_bn2binpad(number, secret_bytes(scalar), P384_SCALAR_SIZE) < 0)
		return -EBADMSG;
	*ret = TAKE_PTR(scalar);
	return 0;
}

int p384_key_from_pem(const struct secret *pem, struct p384_key **ret) {
	_cleanup_(BIO_free_p) BIO *text = BIO_new_mem_buf(secret_peek(pem), (int) secret_size(pem));
	struct secret *scalar;

	if (!text)
		return -ENOMEM;
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *pair =
		PEM_read_bio_PrivateKey(text, NULL, no_passphrase, NULL);
	if (!pair)
		return -EBADMSG;
	int r = check_pair(pair);
	if (r == 0)
		r = scalar_of(pair, &scalar);
	return r < 0 ? r : key_from(scalar, NULL, ret);
}

struct p384_key *p384_key_free(struct p384_key *key) {
	if (!key)
		return NULL;
	key->scalar = secret_free(key->scalar);
	EVP_PKEY_free(key->pair);
	free(key);
	return NULL;
}

const struct secret *p384_key_scalar(const struct p384_key *key) {
	return key->scalar;
}

const uint8_t *p384_key_point(const struct p384_key *key) {
	return key->point;
}

/* Out of DER, as libcrypto makes it, into the plain form. */
static int signature_from_der(const uint8_t *der, size_t size, uint8_t ret[P384_SIGNATURE_SIZE]) {
	const uint8_t *at = der;
	_cleanup_(ECDSA_SIG_free_p) ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long) size);
	const int half = P384_SIGNATURE_SIZE / 2;

	if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, half) != half ||
		BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + half, half) != half)
		return -EIO;
	return 0;
}

int p384_key_sign(const struct p384_key *key, const void *bytes, size_t size,
	uint8_t ret[P384_SIGNATURE_SIZE]) {
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *signer = EVP_MD_CTX_new();
	uint8_t der[DER_SIZE_MAX];
	size_t der_size = sizeof(der);

	if (!signer)
		return -ENOMEM;
	if (EVP_DigestSignInit_ex(signer, NULL, "SHA384", NULL, NULL, key->pair, NULL) != 1 ||
		EVP_DigestSign(signer, der, &der_size, bytes, size) != 1)
		return -EIO;
	return signature_from_der(der, der_size, ret);
}

int sha384(const void *bytes, size_t size, uint8_t ret[SHA384_SIZE]) {
	size_t n;

	return EVP_Q_digest(NULL, "SHA384", NULL, bytes, size, ret, &n) == 1 ? 0 : -EIO;
}
