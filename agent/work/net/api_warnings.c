#include "api_warnings.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/cleanup.h"
#include "protocol/json.h"
#include "words.h"

#define LINES_MAX 32u
#define LINE_MAX_SIZE 1000u
#define NAMES_MAX_SIZE 300u

/* Three lists, as crates.io has them; cargo's texts (ops/registry/publish.rs) around two. */
static const struct {
	const char *name;
	const char *before, *after; /* NULL: each is a text by itself */
} lists[] = {
	{"invalid_categories", "the following are not valid category slugs and were ignored: ",
		". Please see https://crates.io/category_slugs for the list of all category "
		"slugs."},
	{"invalid_badges", "the following are not valid badges and were ignored: ",
		". Either the badge type specified is unknown or a required attribute is missing. "
		"Please see "
		"https://doc.rust-lang.org/cargo/reference/manifest.html#package-metadata "
		"for valid badge types and their required attributes."},
	{"other", NULL, NULL},
};

/* The strings of a list, joined by ", ". NULL if there are none, or no memory. */
static char *names_join(const struct json *list) {
	char *names = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&names, &size);

	if (!out)
		return NULL;
	for (const struct json *name = json_first(list); name; name = json_next(name)) {
		if (json_string(name))
			(void) fprintf(out, "%s%s", ftell(out) > 0 ? ", " : "", json_string(name));
	}
	if (fclose(out) == 0 && size > 0)
		return names;
	free(names);
	return NULL;
}

static void write_line(FILE *out, size_t *n, const char *before, const char *text, size_t size_max,
	const char *after, const struct secret *token) {
	_cleanup_(freep) char *told = words_tell(text, strlen(text), size_max, token);

	if (told && *n < LINES_MAX)
		(void) fprintf(out, "%s%s%s%s", (*n)++ > 0 ? "\n" : "", before, told, after);
}

static void write_list(
	FILE *out, size_t *n, size_t which, const struct json *list, const struct secret *token) {
	_cleanup_(freep) char *names = NULL;

	if (lists[which].before) {
		names = names_join(list);
		if (names)
			write_line(out, n, lists[which].before, names, NAMES_MAX_SIZE,
				lists[which].after, token);
		return;
	}
	for (const struct json *text = json_first(list); text; text = json_next(text)) {
		if (json_string(text))
			write_line(out, n, "", json_string(text), LINE_MAX_SIZE, "", token);
	}
}

char *api_warnings_read(const struct json *document, const struct secret *token) {
	const struct json *warnings = json_member(document, "warnings");
	char *lines = NULL;
	size_t size = 0, n = 0;

	if (!warnings)
		return NULL;
	FILE *out = open_memstream(&lines, &size);
	if (!out)
		return NULL;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct json *list = json_member(warnings, lists[i].name);
		if (list && json_is_array(list))
			write_list(out, &n, i, list, token);
	}
	if (fclose(out) == 0 && n > 0)
		return lines;
	free(lines);
	return NULL;
}
