#pragma once

/* Private keys of the curve P-384, what they sign, and SHA-384: all that we take of libcrypto. */

#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct p384_key;
struct secret;

#define P384_SCALAR_SIZE 48u
/* A point, compressed: 02 or 03, then x. */
#define P384_POINT_SIZE 49u
/* r and s, 48 bytes each, the high ones first. */
#define P384_SIGNATURE_SIZE 96u
#define SHA384_SIZE 48u

/* Keeps libcrypto to what is built in, and its keys in a heap of their own: 0, -EIO, -ENOMEM. */
int p384_begin(void);

/* A new key. */
int p384_key_new(struct p384_key **ret);
/* 0 and a key, -EBADMSG if the scalar is not of that size, is zero, or is not below the order. */
int p384_key_from_scalar(const struct secret *scalar, struct p384_key **ret);
/*
 * The same with its public point, so that it is not worked out again; -EBADMSG also if that is no
 * point of the curve. That the two belong together is for the caller to know.
 */
int p384_key_from_pair(const struct secret *scalar, const uint8_t point[P384_POINT_SIZE],
	struct p384_key **ret);
/* Of an unencrypted PEM text, PKCS #8 or SEC 1. -EBADMSG if it is another kind of key, or none. */
int p384_key_from_pem(const struct secret *pem, struct p384_key **ret);
struct p384_key *p384_key_free(struct p384_key *key);
DEFINE_CLEANUP(struct p384_key, p384_key_free)

/* Both are borrowed. */
const struct secret *p384_key_scalar(const struct p384_key *key);
const uint8_t *p384_key_point(const struct p384_key *key);

/* ECDSA over the SHA-384 of the bytes; each time another one. 0 or a negative errno. */
int p384_key_sign(const struct p384_key *key, const void *bytes, size_t size,
	uint8_t ret[P384_SIGNATURE_SIZE]);

int sha384(const void *bytes, size_t size, uint8_t ret[SHA384_SIZE]);
