#pragma once

/*
 * Tagged values in one secret buffer: u8 tag, u32 little-endian size, bytes,
 * again and again, each tag once. Frames between core and workers and the
 * plaintext of store records have this form.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct secret;
struct fields;

/* All bytes of one set together. */
#define FIELDS_MAX (128 * 1024)

int fields_new(struct fields **ret);
struct fields *fields_free(struct fields *fields);
DEFINE_CLEANUP(struct fields, fields_free)

/* 0, -EEXIST (tag used), -E2BIG (over FIELDS_MAX), -ENOMEM. Strings may be NULL: nothing is put. */
int fields_put(struct fields *fields, uint8_t tag, const void *bytes, size_t size);
int fields_put_string(struct fields *fields, uint8_t tag, const char *value);
int fields_put_u64(struct fields *fields, uint8_t tag, uint64_t value);
int fields_put_secret(struct fields *fields, uint8_t tag, const struct secret *secret);

/* Readers: 0; -ENOENT if absent; -EBADMSG if not of that shape. Bytes are borrowed. */
int fields_get(
	const struct fields *fields, uint8_t tag, const uint8_t **ret, size_t *ret_size);
/* A copy that the caller frees; no NUL inside. */
int fields_get_string(const struct fields *fields, uint8_t tag, char **ret);
int fields_get_u64(const struct fields *fields, uint8_t tag, uint64_t *ret);
/* A copy that the caller frees; not empty. */
int fields_get_secret(const struct fields *fields, uint8_t tag, struct secret **ret);

/* The encoded form, borrowed until the next put. */
const uint8_t *fields_bytes(const struct fields *fields);
size_t fields_size(const struct fields *fields);

/* Decodes a copy of `bytes`: 0, -EBADMSG (malformed, a tag twice), -E2BIG, -ENOMEM. */
int fields_parse(const void *bytes, size_t size, struct fields **ret);
