/*
 * The parser says on which line the value and the table's header begin. Inside
 * a table with a header an entry begins on a line of its own, and its value on
 * the same line (TOML 1.0, "Key/Value Pair"), so a line that reads as one entry,
 * with this key and this very value, is that entry, and not a piece of a string
 * that only looks like it.
 */

#include "token_line.h"

#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* What is left of one line. */
struct rest {
	const char *at;
	size_t size;
};

/* The line with that number, from 1. toml++ counts newlines only, as we do. */
static bool find_line(const char *text, size_t size, unsigned number, struct rest *ret) {
	const char *at = text, *end = text + size;

	for (unsigned line = 1; at < end; line++) {
		const char *newline = memchr(at, '\n', (size_t) (end - at));
		const char *next = newline ? newline + 1 : end;

		if (line == number) {
			*ret = (struct rest){at, (size_t) (next - at)};
			return true;
		}
		at = next;
	}
	return false;
}

static void skip(struct rest *rest, size_t size) {
	rest->at += size;
	rest->size -= size;
}

static void skip_space(struct rest *rest) {
	while (rest->size > 0 && (*rest->at == ' ' || *rest->at == '\t'))
		skip(rest, 1);
}

static bool take(struct rest *rest, const char *text) {
	size_t size = strlen(text);

	if (rest->size < size || memcmp(rest->at, text, size) != 0)
		return false;
	skip(rest, size);
	return true;
}

/* Nothing but white space and a comment is left. */
static bool is_over(struct rest *rest) {
	skip_space(rest);
	return rest->size == 0 || *rest->at == '#' || *rest->at == '\n' || *rest->at == '\r';
}

/* Without escapes and quotes the bytes between the quotes are the value itself. */
static bool take_value(struct rest *rest, const char *value) {
	const char *quote;

	if (*value == '\0' || strpbrk(value, "\"'\\"))
		return false;
	quote = rest->size > 0 && *rest->at == '\'' ? "'" : "\"";
	return take(rest, quote) && take(rest, value) && take(rest, quote);
}

static bool is_entry(struct rest rest, const struct token_entry *entry) {
	skip_space(&rest);
	if (!take(&rest, entry->key))
		return false;
	skip_space(&rest);
	if (!take(&rest, "="))
		return false;
	skip_space(&rest);
	return take_value(&rest, entry->value) && is_over(&rest);
}

static bool has_header(const char *text, size_t size, const struct token_entry *entry) {
	struct rest rest;

	if (!entry->header)
		return true;
	if (!find_line(text, size, entry->header_line, &rest))
		return false;
	if (entry->header_line == 1)
		(void) take(&rest, BYTE_ORDER_MARK); /* Most files have none. */
	skip_space(&rest);
	return take(&rest, entry->header) && is_over(&rest);
}

bool token_line_find(const char *text, size_t size, const struct token_entry *entry,
	struct token_line *ret) {
	struct rest rest;

	if (!find_line(text, size, entry->line, &rest))
		return false;
	ret->start = (size_t) (rest.at - text);
	ret->end = ret->start + rest.size;
	ret->is_simple = entry->value && is_entry(rest, entry) && has_header(text, size, entry);
	return true;
}
