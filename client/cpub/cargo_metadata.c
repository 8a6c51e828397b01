#include "cargo_metadata.h"

#include <stdbool.h>
#include <string.h>

static const char *const of_all[] = {
	"packages", "workspace_root", "target_directory", "workspace_default_members", NULL};
static const char *const of_package[] = {"name", "id", "publish", "manifest_path", NULL};

/* A place in the text; at its end everything stops. */
struct cursor {
	char *text;
	size_t size;
	size_t at;
};

static char next(const struct cursor *cursor) {
	return cursor->at < cursor->size ? cursor->text[cursor->at] : '\0';
}

static void skip_blanks(struct cursor *cursor) {
	while (cursor->at < cursor->size && strchr(" \t\r\n", cursor->text[cursor->at]))
		cursor->at++;
}

/* Skips that character and the blanks around it; false, and stays, if it is another. */
static bool take(struct cursor *cursor, char character) {
	skip_blanks(cursor);
	if (cursor->at >= cursor->size || cursor->text[cursor->at] != character)
		return false;
	cursor->at++;
	skip_blanks(cursor);
	return true;
}

static void skip_text(struct cursor *cursor) {
	for (cursor->at++; cursor->at < cursor->size; cursor->at++) {
		if (cursor->text[cursor->at] == '"')
			break;
		cursor->at += cursor->text[cursor->at] == '\\';
	}
	cursor->at = cursor->at < cursor->size ? cursor->at + 1 : cursor->size;
}

/* Of whatever depth: only the brackets are counted. */
static void skip_value(struct cursor *cursor) {
	size_t depth = 0;

	while (cursor->at < cursor->size) {
		char c = next(cursor);

		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			return;
		if (c == '"') {
			skip_text(cursor);
		} else {
			if (c == '{' || c == '[')
				depth++;
			else if (c == '}' || c == ']')
				depth--;
			cursor->at++;
		}
		if (depth == 0 && strchr("}]\"", c))
			return;
	}
}

static bool is_kept(const char *name, size_t size, const char *const *kept) {
	for (; *kept; kept++) {
		if (strlen(*kept) == size && memcmp(*kept, name, size) == 0)
			return true;
	}
	return false;
}

static void thin_packages(struct cursor *cursor);

/* Stops where it is no object, and so does the reader. */
static void thin_object(struct cursor *cursor, const char *const *kept) {
	if (!take(cursor, '{'))
		return;
	while (next(cursor) == '"') {
		const char *name = cursor->text + cursor->at + 1;
		size_t size, start;

		skip_text(cursor);
		size = (size_t) (cursor->text + cursor->at - name) - 1;
		if (!take(cursor, ':'))
			return;
		start = cursor->at;
		if (kept == of_all && is_kept(name, size, (const char *const[]){"packages", NULL}))
			thin_packages(cursor);
		else
			skip_value(cursor);
		if (!is_kept(name, size, kept) && cursor->at > start) {
			memset(cursor->text + start, ' ', cursor->at - start);
			cursor->text[start] = '0';
		}
		if (!take(cursor, ','))
			break;
	}
	(void) take(cursor, '}');
}

static void thin_packages(struct cursor *cursor) {
	if (!take(cursor, '['))
		return;
	while (next(cursor) == '{') {
		thin_object(cursor, of_package);
		if (!take(cursor, ','))
			break;
	}
	(void) take(cursor, ']');
}

void cargo_metadata_thin(char *text, size_t size) {
	struct cursor cursor = {.text = text, .size = size};

	skip_blanks(&cursor);
	thin_object(&cursor, of_all);
}
