/*
 * A document has for each key that it lists a value, on a line of the text, of
 * one type at most; a text that is none has an error that names such a line. A
 * list of strings is as long as its array, and keys are sorted, each once.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/cleanup.h"
#include "protocol/toml.h"
#include "tests/fuzz/fuzz.h"

/* How far down, and over how many values in all: a document can have a lot of both. */
#define DEPTH_MAX 6
#define VALUES_MAX 2000

struct walk {
	const struct toml_document *document;
	unsigned n_lines;
	unsigned n_values;
};

static void walk_value(struct walk *walk, const char *path, int depth);

static void walk_child(struct walk *walk, const char *path, const char *name, int depth) {
	_cleanup_(freep) char *longer = NULL;

	/* No path can name them: a word of it that begins with a quote ends with one. */
	if (*name == '\0' || *name == '"' || *name == '\'' || strchr(name, '.'))
		return;
	check(asprintf(&longer, "%s%s%s", path, *path ? "." : "", name) > 0);
	walk_value(walk, longer, depth + 1);
}

static bool walk_table(struct walk *walk, const char *path, int depth) {
	_cleanup_(toml_strings_freep) char **keys = NULL;
	int r = toml_get_keys(walk->document, path, &keys);

	check(r == 0 || r == -EBADMSG);
	check((r == 0) == (keys != NULL));
	for (size_t i = 0; keys && keys[i]; i++) {
		check(i == 0 || strcmp(keys[i - 1], keys[i]) < 0);
		walk_child(walk, path, keys[i], depth);
	}
	return r == 0;
}

static bool walk_array(struct walk *walk, const char *path, int depth) {
	_cleanup_(toml_strings_freep) char **strings = NULL;
	size_t n = 0, n_strings = 0;
	int r = toml_get_size(walk->document, path, &n);

	check(r == 0 || r == -EBADMSG);
	if (r == 0)
		r = toml_get_strings(walk->document, path, &strings);
	else
		check(toml_get_strings(walk->document, path, &strings) == -EBADMSG);
	check((r == 0) == (strings != NULL));
	while (strings && strings[n_strings])
		n_strings++;
	check(!strings || n_strings == n);
	for (size_t i = 0; i < n; i++) {
		char index[24];

		(void) snprintf(index, sizeof(index), "%zu", i);
		walk_child(walk, path, index, depth);
	}
	return n > 0 || r == 0;
}

static void walk_value(struct walk *walk, const char *path, int depth) {
	_cleanup_(freep) char *text = NULL;
	bool flag;
	int n_types = 0;

	if (depth > DEPTH_MAX || walk->n_values++ > VALUES_MAX)
		return;
	int r = toml_get_string(walk->document, path, &text);
	check(r == 0 || r == -EBADMSG);
	n_types += r == 0;
	r = toml_get_bool(walk->document, path, &flag);
	check(r == 0 || r == -EBADMSG);
	n_types += r == 0;
	n_types += walk_table(walk, path, depth);
	n_types += walk_array(walk, path, depth);
	check(n_types <= 1);
	unsigned line = toml_line(walk->document, path);
	check(line <= walk->n_lines);
	check(line > 0 || *path == '\0');
}

static void check_error(const char *error, unsigned n_lines) {
	unsigned line = 0;
	int end = 0;

	check(error);
	/* Where toml++ itself was lost, nobody knows the line. */
	if (strcmp(error, "the text cannot be parsed") == 0)
		return;
	check(sscanf(error, "line %u: %n", &line, &end) == 1 && end > 0);
	check(line > 0 && line <= n_lines);
	check(error[end] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(freep) char *error = NULL;
	unsigned n_lines = 1;

	for (size_t i = 0; i < size; i++)
		n_lines += bytes[i] == '\n';
	int r = toml_parse((const char *) bytes, size, &document, &error);
	check(r == 0 || r == -EBADMSG);
	check((r == 0) == (document != NULL) && (r == 0) == (error == NULL));
	if (r < 0) {
		check_error(error, n_lines);
		return 0;
	}
	struct walk walk = {.document = document, .n_lines = n_lines};
	walk_value(&walk, "", 0);
	return 0;
}
