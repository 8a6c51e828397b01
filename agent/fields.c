#include "fields.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "protocol/secret.h"

/* Tag and size in front of each value. */
#define HEADER_SIZE 5u
#define FIRST_CAPACITY 256u

struct fields {
	/* The encoded form; what lies behind `size` is spare room. */
	struct secret *buffer;
	size_t size;
};

static uint64_t little_endian_read(const uint8_t *bytes, size_t size) {
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t) bytes[i] << (8 * i);
	return value;
}

static void little_endian_write(uint8_t *bytes, size_t size, uint64_t value) {
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t) (value >> (8 * i));
}

/*
 * Steps over the field at *offset. Returns 1, 0 at the end, or -EBADMSG if what
 * is left is no whole field; then nothing is written.
 */
static int field_next(const uint8_t *bytes, size_t size, size_t *offset, uint8_t *ret_tag,
	const uint8_t **ret_value, size_t *ret_size) {
	size_t left = size - *offset;

	if (left == 0)
		return 0;
	if (left < HEADER_SIZE)
		return -EBADMSG;

	const uint8_t *field = bytes + *offset;
	uint64_t value_size = little_endian_read(field + 1, 4);
	if (value_size > left - HEADER_SIZE)
		return -EBADMSG;

	*offset += HEADER_SIZE + (size_t) value_size;
	*ret_tag = field[0];
	*ret_value = field + HEADER_SIZE;
	*ret_size = (size_t) value_size;
	return 1;
}

/* 0 if `bytes` are whole fields and no tag comes twice, else -EBADMSG. */
static int fields_check(const uint8_t *bytes, size_t size) {
	bool is_seen[UINT8_MAX + 1] = {false};
	size_t offset = 0;

	for (;;) {
		uint8_t tag;
		const uint8_t *value;
		size_t value_size;
		int r = field_next(bytes, size, &offset, &tag, &value, &value_size);
		if (r <= 0)
			return r;
		if (is_seen[tag])
			return -EBADMSG;
		is_seen[tag] = true;
	}
}

static int fields_new_sized(size_t capacity, struct fields **ret) {
	_cleanup_(fields_freep) struct fields *fields = calloc(1, sizeof(*fields));
	if (!fields)
		return -ENOMEM;

	int r = secret_new(capacity, &fields->buffer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fields);
	return 0;
}

int fields_new(struct fields **ret) {
	return fields_new_sized(FIRST_CAPACITY, ret);
}

struct fields *fields_free(struct fields *fields) {
	if (!fields)
		return NULL;
	fields->buffer = secret_free(fields->buffer);
	free(fields);
	return NULL;
}

int fields_put(struct fields *fields, uint8_t tag, const void *bytes, size_t size) {
	const uint8_t *used;
	size_t used_size;

	if (fields_get(fields, tag, &used, &used_size) == 0)
		return -EEXIST;
	if (size > FIELDS_MAX || fields->size + HEADER_SIZE + size > FIELDS_MAX)
		return -E2BIG;

	/* The old buffer lives until the end: `bytes` may have been borrowed from it. */
	_cleanup_(secret_freep) struct secret *old = NULL;
	size_t needed = fields->size + HEADER_SIZE + size;
	if (needed > secret_size(fields->buffer)) {
		struct secret *larger;
		size_t doubled = 2 * secret_size(fields->buffer);

		int r = secret_new(needed > doubled ? needed : doubled, &larger);
		if (r < 0)
			return r;
		memcpy(secret_bytes(larger), secret_peek(fields->buffer), fields->size);
		old = fields->buffer;
		fields->buffer = larger;
	}

	uint8_t *field = secret_bytes(fields->buffer) + fields->size;
	field[0] = tag;
	little_endian_write(field + 1, 4, size);
	if (size > 0)
		memcpy(field + HEADER_SIZE, bytes, size);
	fields->size = needed;
	return 0;
}

int fields_put_string(struct fields *fields, uint8_t tag, const char *value) {
	return value ? fields_put(fields, tag, value, strlen(value)) : 0;
}

int fields_put_u64(struct fields *fields, uint8_t tag, uint64_t value) {
	uint8_t bytes[8];

	little_endian_write(bytes, sizeof(bytes), value);
	return fields_put(fields, tag, bytes, sizeof(bytes));
}

int fields_put_secret(struct fields *fields, uint8_t tag, const struct secret *secret) {
	return fields_put(fields, tag, secret_peek(secret), secret_size(secret));
}

int fields_get(const struct fields *fields, uint8_t tag, const uint8_t **ret, size_t *ret_size) {
	const uint8_t *bytes = fields_bytes(fields);
	size_t offset = 0;
	uint8_t found;
	const uint8_t *value;
	size_t size;

	while (field_next(bytes, fields->size, &offset, &found, &value, &size) > 0) {
		if (found != tag)
			continue;
		*ret = value;
		*ret_size = size;
		return 0;
	}
	return -ENOENT;
}

int fields_get_string(const struct fields *fields, uint8_t tag, char **ret) {
	const uint8_t *bytes;
	size_t size;

	int r = fields_get(fields, tag, &bytes, &size);
	if (r < 0)
		return r;
	if (size > 0 && memchr(bytes, '\0', size))
		return -EBADMSG;

	char *text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, bytes, size);
	text[size] = '\0';
	*ret = text;
	return 0;
}

int fields_get_u64(const struct fields *fields, uint8_t tag, uint64_t *ret) {
	const uint8_t *bytes;
	size_t size;

	int r = fields_get(fields, tag, &bytes, &size);
	if (r < 0)
		return r;
	if (size != 8)
		return -EBADMSG;
	*ret = little_endian_read(bytes, size);
	return 0;
}

int fields_get_secret(const struct fields *fields, uint8_t tag, struct secret **ret) {
	const uint8_t *bytes;
	size_t size;

	int r = fields_get(fields, tag, &bytes, &size);
	if (r < 0)
		return r;
	if (size == 0)
		return -EBADMSG;
	return secret_from(bytes, size, ret);
}

const uint8_t *fields_bytes(const struct fields *fields) {
	return secret_peek(fields->buffer);
}

size_t fields_size(const struct fields *fields) {
	return fields->size;
}

int fields_parse(const void *bytes, size_t size, struct fields **ret) {
	if (size > FIELDS_MAX)
		return -E2BIG;

	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r = fields_new_sized(size > 0 ? size : FIRST_CAPACITY, &fields);
	if (r < 0)
		return r;
	if (size > 0)
		memcpy(secret_bytes(fields->buffer), bytes, size);
	fields->size = size;

	/* The copy is checked, not the original: nobody else can change it meanwhile. */
	r = fields_check(secret_peek(fields->buffer), size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fields);
	return 0;
}
