#pragma once

/* The texts of keys: PASERK, https://github.com/paseto-standard/paserk, version 3. */

#include <stdint.h>

#include "agent/work/sign/base64url.h"
#include "agent/work/sign/p384.h"

#define PASERK_SECRET "k3.secret."
#define PASERK_PUBLIC "k3.public."
#define PASERK_ID "k3.pid."
/* Of SHA-384. */
#define PASERK_HASH_SIZE 33u

/* With the NUL. */
#define PASERK_PUBLIC_SIZE (sizeof(PASERK_PUBLIC) + BASE64URL_LENGTH(P384_POINT_SIZE))
#define PASERK_ID_SIZE (sizeof(PASERK_ID) + BASE64URL_LENGTH(PASERK_HASH_SIZE))

/* Reads `k3.secret.…`, whole: 0 and a key, -EBADMSG for anything else, -ENOMEM, -EIO. */
int paserk_read_secret(const struct secret *text, struct p384_key **ret);
/* The same with its `k3.public.…`, which the caller knows to be that key's. */
int paserk_read_pair(const struct secret *text, const char *public, struct p384_key **ret);
/* Back into that text. */
int paserk_write_secret(const struct p384_key *key, struct secret **ret);

/* A point's `k3.public.…`. */
void paserk_write_public(const uint8_t point[P384_POINT_SIZE], char ret[PASERK_PUBLIC_SIZE]);
/* The `k3.pid.…` of a `k3.public.…`: a hash of the text, not of the point. 0 or -EIO. */
int paserk_write_id(const char public[PASERK_PUBLIC_SIZE], char ret[PASERK_ID_SIZE]);
