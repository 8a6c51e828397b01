#pragma once

/* A SHA-256 sum of bytes that come piece by piece. */

#include <stddef.h>

#include "protocol/cleanup.h"

/* The sum as text, with its NUL. */
#define SHA256_HEX_SIZE 65
#define SHA256_SIZE 32

struct sha256;

/* 0 and *ret (free with sha256_free), or a negative errno. */
int sha256_new(struct sha256 **ret);
struct sha256 *sha256_free(struct sha256 *sum);
DEFINE_CLEANUP(struct sha256, sha256_free)

void sha256_add(struct sha256 *sum, const void *bytes, size_t size);
/* The sum of all that was added; then it begins anew. */
void sha256_take(struct sha256 *sum, unsigned char ret[SHA256_SIZE]);
void sha256_take_hex(struct sha256 *sum, char ret[SHA256_HEX_SIZE]);
