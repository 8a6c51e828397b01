#include "json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json_text.h"
#include "secret.h"

/* A struct json is a cJSON item under our own name; no other file knows that. */

/* What the writer's buffer starts with, and the most it takes. */
#define WRITER_START 512
#define WRITER_MAX ((size_t) 16 * 1024 * 1024)

/* Whole numbers up to here are exact as a double. */
#define WHOLE_MAX ((double) (INT64_C(1) << 53))

/* Tokens pass through cJSON's memory, so each block knows its size and is wiped when freed. */
struct block {
	size_t size;
	_Alignas(max_align_t) uint8_t bytes[];
};

static void *block_new(size_t size) {
	struct block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	return block->bytes;
}

static void block_free(void *bytes) {
	struct block *block;

	if (!bytes)
		return;
	block = (void *) ((uint8_t *) bytes - offsetof(struct block, bytes));
	explicit_bzero(block->bytes, block->size);
	free(block);
}

/* With hooks that are not malloc and free, cJSON never calls realloc, which would leave copies. */
static void install_hooks(void) {
	static bool is_installed;
	cJSON_Hooks hooks = {.malloc_fn = block_new, .free_fn = block_free};

	if (is_installed)
		return;
	cJSON_InitHooks(&hooks);
	is_installed = true;
}

static const cJSON *item(const struct json *value) {
	return (const cJSON *) value;
}

int json_parse(const char *text, size_t size, struct json **ret) {
	_cleanup_(json_freep) struct json *root = NULL;
	const char *end = NULL;
	int r;

	r = json_scan(text, size);
	if (r < 0)
		return r;

	install_hooks();
	root = (struct json *) cJSON_ParseWithLengthOpts(text, size, &end, false);
	/* The scanner found nothing wrong, so all that can be missing is memory. */
	if (!root)
		return -ENOMEM;
	/* The scanner let only white space stand behind the value. */
	while (end != text + size && strchr(" \t\r\n", *end))
		end++;
	if (end != text + size)
		return -EBADMSG;
	*ret = TAKE_PTR(root);
	return 0;
}

struct json *json_free(struct json *root) {
	cJSON_Delete((cJSON *) root);
	return NULL;
}

bool json_is_object(const struct json *value) {
	return cJSON_IsObject(item(value));
}

bool json_is_array(const struct json *value) {
	return cJSON_IsArray(item(value));
}

bool json_is_null(const struct json *value) {
	return cJSON_IsNull(item(value));
}

const struct json *json_member(const struct json *object, const char *name) {
	if (!json_is_object(object))
		return NULL;
	return (const struct json *) cJSON_GetObjectItemCaseSensitive(item(object), name);
}

size_t json_n_elements(const struct json *array) {
	size_t n = 0;

	if (!json_is_array(array))
		return 0;
	for (const cJSON *element = item(array)->child; element; element = element->next)
		n++;
	return n;
}

const struct json *json_element(const struct json *array, size_t index) {
	const cJSON *element;

	if (!json_is_array(array))
		return NULL;
	element = item(array)->child;
	for (; element && index > 0; index--)
		element = element->next;
	return (const struct json *) element;
}

const struct json *json_first(const struct json *container) {
	return container ? (const struct json *) item(container)->child : NULL;
}

const struct json *json_next(const struct json *value) {
	return value ? (const struct json *) item(value)->next : NULL;
}

const char *json_name(const struct json *value) {
	return value ? item(value)->string : NULL;
}

const char *json_string(const struct json *value) {
	return cJSON_GetStringValue((cJSON *) item(value));
}

int json_get_string(const struct json *object, const char *name, const char **ret) {
	const struct json *value = json_member(object, name);

	if (!value)
		return -ENOENT;
	if (!json_string(value))
		return -EBADMSG;
	*ret = json_string(value);
	return 0;
}

int json_get_bool(const struct json *object, const char *name, bool *ret) {
	const struct json *value = json_member(object, name);

	if (!value)
		return -ENOENT;
	if (!cJSON_IsBool(item(value)))
		return -EBADMSG;
	*ret = cJSON_IsTrue(item(value));
	return 0;
}

int json_get_integer(const struct json *object, const char *name, int64_t *ret) {
	const struct json *value = json_member(object, name);
	double number;

	if (!value)
		return -ENOENT;
	if (!cJSON_IsNumber(item(value)))
		return -EBADMSG;
	number = item(value)->valuedouble;
	/* Written so that a NaN fails too. */
	if (!(number >= -WHOLE_MAX && number <= WHOLE_MAX) || (double) (int64_t) number != number)
		return -EBADMSG;
	*ret = (int64_t) number;
	return 0;
}

void json_writer_init(struct json_writer *writer, bool is_secret) {
	*writer = (struct json_writer){.is_secret = is_secret};
}

void json_writer_done(struct json_writer *writer) {
	free(writer->text);
	secret_free(writer->secret);
	*writer = (struct json_writer){.is_secret = writer->is_secret};
}

static void writer_fail(struct json_writer *writer, int error) {
	if (writer->error == 0)
		writer->error = error;
}

static char *writer_buffer(struct json_writer *writer) {
	return writer->is_secret ? (char *) secret_bytes(writer->secret) : writer->text;
}

/* Moves to a bigger buffer; a secret one is copied, and the old one wiped. */
static int writer_grow(struct json_writer *writer, size_t capacity) {
	if (writer->is_secret) {
		_cleanup_(secret_freep) struct secret *bigger = NULL;
		int r;

		r = secret_new(capacity, &bigger);
		if (r < 0)
			return r;
		if (writer->size > 0)
			memcpy(secret_bytes(bigger), secret_bytes(writer->secret), writer->size);
		secret_free(writer->secret);
		writer->secret = TAKE_PTR(bigger);
	} else {
		char *bigger = realloc(writer->text, capacity);

		if (!bigger)
			return -ENOMEM;
		writer->text = bigger;
	}
	writer->capacity = capacity;
	return 0;
}

/* Makes room for that much more. Returns false after any failure, now or before. */
static bool writer_reserve(struct json_writer *writer, size_t size) {
	size_t capacity = writer->capacity > 0 ? writer->capacity : WRITER_START;
	int r;

	if (writer->error < 0)
		return false;
	if (size <= writer->capacity - writer->size)
		return true;
	if (size > WRITER_MAX - writer->size) {
		writer_fail(writer, -EMSGSIZE);
		return false;
	}
	while (capacity - writer->size < size)
		capacity *= 2;
	r = writer_grow(writer, capacity);
	if (r < 0)
		writer_fail(writer, r);
	return r == 0;
}

static void writer_append(struct json_writer *writer, const void *bytes, size_t size) {
	if (size == 0 || !writer_reserve(writer, size))
		return;
	memcpy(writer_buffer(writer) + writer->size, bytes, size);
	writer->size += size;
}

static void writer_append_plain(struct json_writer *writer, const char *text) {
	writer_append(writer, text, strlen(text));
}

static void writer_append_escape(struct json_writer *writer, uint8_t byte) {
	static const char bytes[] = "\"\\\b\f\n\r\t";
	static const char names[] = "\"\\bfnrt";
	const char *found = memchr(bytes, byte, sizeof(bytes) - 1);
	char escape[sizeof("\\u0000")];

	if (found)
		(void) snprintf(escape, sizeof(escape), "\\%c", names[found - bytes]);
	else
		(void) snprintf(escape, sizeof(escape), "\\u%04x", byte);
	writer_append_plain(writer, escape);
}

static void writer_append_string(struct json_writer *writer, const void *value, size_t size) {
	const uint8_t *at = value;
	const uint8_t *end = at + size;
	const uint8_t *run = at;

	writer_append_plain(writer, "\"");
	while (at != end) {
		const uint8_t *here = at;
		uint32_t code;

		/* What our own reader would refuse is not written. */
		if (!json_text_utf8(&at, end, &code) || code == 0) {
			writer_fail(writer, -EINVAL);
			return;
		}
		if (code >= 0x20 && code != '"' && code != '\\')
			continue;
		writer_append(writer, run, (size_t) (here - run));
		writer_append_escape(writer, (uint8_t) code);
		run = at;
	}
	writer_append(writer, run, (size_t) (end - run));
	writer_append_plain(writer, "\"");
}

/* What stands before every value: a comma where one is due, and the member's name. */
static void writer_begin_value(struct json_writer *writer, const char *name) {
	if (writer->needs_comma)
		writer_append_plain(writer, ",");
	if (name) {
		writer_append_string(writer, name, strlen(name));
		writer_append_plain(writer, ":");
	}
	writer->needs_comma = true;
}

static void writer_open(struct json_writer *writer, const char *name, const char *bracket) {
	writer_begin_value(writer, name);
	writer_append_plain(writer, bracket);
	writer->needs_comma = false;
}

static void writer_close(struct json_writer *writer, const char *bracket) {
	writer_append_plain(writer, bracket);
	writer->needs_comma = true;
}

void json_write_object(struct json_writer *writer, const char *name) {
	writer_open(writer, name, "{");
}

void json_write_object_end(struct json_writer *writer) {
	writer_close(writer, "}");
}

void json_write_array(struct json_writer *writer, const char *name) {
	writer_open(writer, name, "[");
}

void json_write_array_end(struct json_writer *writer) {
	writer_close(writer, "]");
}

void json_write_string(struct json_writer *writer, const char *name, const char *value) {
	writer_begin_value(writer, name);
	if (value)
		writer_append_string(writer, value, strlen(value));
	else
		writer_append_plain(writer, "null");
}

void json_write_bytes(
	struct json_writer *writer, const char *name, const void *value, size_t size) {
	writer_begin_value(writer, name);
	writer_append_string(writer, size > 0 ? value : "", size);
}

void json_write_integer(struct json_writer *writer, const char *name, int64_t value) {
	char digits[sizeof("-9223372036854775808")];

	writer_begin_value(writer, name);
	(void) snprintf(digits, sizeof(digits), "%" PRId64, value);
	writer_append_plain(writer, digits);
}

void json_write_bool(struct json_writer *writer, const char *name, bool value) {
	writer_begin_value(writer, name);
	writer_append_plain(writer, value ? "true" : "false");
}

int json_writer_finish(struct json_writer *writer) {
	writer_append_plain(writer, "\n");
	return writer->error;
}

const char *json_writer_bytes(const struct json_writer *writer) {
	if (writer->capacity == 0)
		return "";
	return writer->is_secret ? (const char *) secret_peek(writer->secret) : writer->text;
}
