#pragma once

/*
 * Strict JSON (RFC 8259), read and written. The reader lets through only
 * documents on which every parser agrees: strict UTF-8, no duplicate keys, no
 * NUL or lone surrogates, no trailing text, depth up to JSON_DEPTH_MAX. What
 * passes the scanner is parsed by cJSON, whose memory is wiped when freed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct secret;

#define JSON_DEPTH_MAX 16

/* A value of a parsed document. The root owns all others. */
struct json;

/*
 * Reads exactly one document from `size` bytes of text (no terminator needed).
 * Returns 0 and the root in *ret (free with json_free), -EBADMSG if the text is
 * not strict JSON, -ENOMEM. The text is not kept.
 */
int json_parse(const char *text, size_t size, struct json **ret);

/*
 * Only the check that json_parse makes first: 0, -EBADMSG or -ENOMEM. Of numbers
 * it takes those that an int64 or a double, as the case may be, holds in every
 * parser: whole ones up to 2^53, others below 10^15 and above 10^-300, no longer
 * than 32 bytes. Time is n log n even when every byte is there to harm.
 */
int json_scan(const char *text, size_t size);

struct json *json_free(struct json *root);
DEFINE_CLEANUP(struct json, json_free)

bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
bool json_is_null(const struct json *value);

/* The member of that name, borrowed; NULL if absent, or if `object` is NULL or not an object. */
const struct json *json_member(const struct json *object, const char *name);

/* Array elements, borrowed: count, and the one at `index` (NULL past the end). */
size_t json_n_elements(const struct json *array);
const struct json *json_element(const struct json *array, size_t index);

/* First child of an array or object and the next sibling, for walks; NULL at the end. */
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *value);
/* Name of an object's member, borrowed; NULL for others. */
const char *json_name(const struct json *value);

/* The text of a string, borrowed; NULL if `value` is NULL or no string. */
const char *json_string(const struct json *value);

/* Readers of optional members: 0 and *ret written, -ENOENT if absent, -EBADMSG on another type. */
int json_get_string(const struct json *object, const char *name, const char **ret);
int json_get_bool(const struct json *object, const char *name, bool *ret);
/* Whole numbers from -2^53 to 2^53 only; others are -EBADMSG. */
int json_get_integer(const struct json *object, const char *name, int64_t *ret);

/*
 * The writer: appends to one growing buffer. With `is_secret` the buffer is a
 * struct secret from the first byte on, also while it grows. Failures stick
 * and are told by json_writer_finish, so that calls need no check each.
 */
struct json_writer {
	char *text;
	struct secret *secret;
	size_t size;
	size_t capacity;
	int error;
	bool is_secret;
	bool needs_comma;
};

void json_writer_init(struct json_writer *writer, bool is_secret);
void json_writer_done(struct json_writer *writer);

/* `name` is NULL inside arrays and for the root. */
void json_write_object(struct json_writer *writer, const char *name);
void json_write_object_end(struct json_writer *writer);
void json_write_array(struct json_writer *writer, const char *name);
void json_write_array_end(struct json_writer *writer);
/*
 * Escapes `"`, `\` and control bytes, never `/`. NULL writes null. A value (or
 * name) that is not strict UTF-8 or holds a NUL is the failure -EINVAL.
 */
void json_write_string(struct json_writer *writer, const char *name, const char *value);
void json_write_bytes(
	struct json_writer *writer, const char *name, const void *value, size_t size);
void json_write_integer(struct json_writer *writer, const char *name, int64_t value);
void json_write_bool(struct json_writer *writer, const char *name, bool value);

/* Ends the line with "\n". 0, or the negative errno of the first failure: -EMSGSIZE over 16 MiB. */
int json_writer_finish(struct json_writer *writer);
/* The bytes written so far, `size` of them, borrowed until the next write or done. Never NULL. */
const char *json_writer_bytes(const struct json_writer *writer);
