/* The TOML shim: types, paths, lines of errors, and texts that want to hurt. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/toml.h"

static struct toml_document *parse(const char *text) {
	struct toml_document *document = NULL;
	_cleanup_(freep) char *error = NULL;
	int r = toml_parse(text, strlen(text), &document, &error);

	if (r < 0)
		fail_msg("%d: %s", r, error ? error : "no text");
	return document;
}

static void assert_broken(const char *text, const char *line) {
	struct toml_document *document = NULL;
	_cleanup_(freep) char *error = NULL;

	assert_int_equal(toml_parse(text, strlen(text), &document, &error), -EBADMSG);
	assert_null(document);
	assert_non_null(error);
	if (strncmp(error, line, strlen(line)) != 0)
		fail_msg("'%s' does not start with '%s'", error, line);
}

static void test_toml_reads_strings_at_dotted_paths(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document =
		parse("[registries.my-reg]\nindex = \"sparse+https://h/i/\"\n"
		      "[registries]\nother = { index = 'x' }\n");
	_cleanup_(freep) char *one = NULL, *two = NULL;

	assert_int_equal(toml_get_string(document, "registries.my-reg.index", &one), 0);
	assert_string_equal(one, "sparse+https://h/i/");
	assert_int_equal(toml_get_string(document, "registries.other.index", &two), 0);
	assert_string_equal(two, "x");
	assert_int_equal(toml_line(document, "registries.my-reg.index"), 2);
	assert_int_equal(toml_line(document, "registries.none"), 0);
}

static void test_toml_takes_quotes_of_either_kind_around_a_key(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document =
		parse("[t.'cfg(a = \"b.c\")'.x]\ny = 'z'\n\"it's\".n = 'm'\n'' = 'none'\n");
	_cleanup_(freep) char *one = NULL, *two = NULL, *three = NULL;

	assert_int_equal(toml_get_string(document, "t.'cfg(a = \"b.c\")'.x.y", &one), 0);
	assert_string_equal(one, "z");
	assert_int_equal(
		toml_get_string(document, "t.'cfg(a = \"b.c\")'.x.\"it's\".\"n\"", &two), 0);
	assert_string_equal(two, "m");
	assert_int_equal(toml_get_string(document, "t.'cfg(a = \"b.c\")'.x.''", &three), 0);
	assert_string_equal(three, "none");
}

static void test_toml_tells_absent_from_another_type(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document =
		parse("a = 1\nb = true\nc = ['x', 2]\nd = \"n\\u0000l\"\n");
	char *text = NULL;
	char **list = NULL;
	bool flag = false;

	assert_int_equal(toml_get_string(document, "nothing", &text), -ENOENT);
	assert_int_equal(toml_get_string(document, "a.b", &text), -ENOENT);
	assert_int_equal(toml_get_string(document, "a", &text), -EBADMSG);
	assert_int_equal(toml_get_string(document, "d", &text), -EBADMSG);
	assert_int_equal(toml_get_bool(document, "a", &flag), -EBADMSG);
	assert_int_equal(toml_get_bool(document, "b", &flag), 0);
	assert_true(flag);
	assert_int_equal(toml_get_strings(document, "c", &list), -EBADMSG);
	assert_int_equal(toml_get_strings(document, "a", &list), -EBADMSG);
	assert_int_equal(toml_get_keys(document, "a", &list), -EBADMSG);
	assert_null(text);
	assert_null(list);
}

static void test_toml_lists_strings_and_keys(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document =
		parse("list = ['one', \"two\"]\nnone = []\n[t]\nz = 1\na = 2\n");
	_cleanup_(toml_strings_freep) char **list = NULL, **none = NULL, **keys = NULL,
					   **root = NULL;

	assert_int_equal(toml_get_strings(document, "list", &list), 0);
	assert_string_equal(list[0], "one");
	assert_string_equal(list[1], "two");
	assert_null(list[2]);
	assert_int_equal(toml_get_strings(document, "none", &none), 0);
	assert_null(none[0]);
	assert_int_equal(toml_get_keys(document, "t", &keys), 0);
	assert_string_equal(keys[0], "a");
	assert_string_equal(keys[1], "z");
	assert_null(keys[2]);
	assert_int_equal(toml_get_keys(document, NULL, &root), 0);
	assert_string_equal(root[0], "list");
	assert_string_equal(root[2], "t");
}

static void test_toml_walks_arrays_by_number(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document =
		parse("include = [ { path = 'a.toml' }, { path = 'b.toml', optional = true } ]\n");
	_cleanup_(freep) char *path = NULL;
	bool optional = false;
	size_t n = 0;

	assert_int_equal(toml_get_size(document, "include", &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(toml_get_string(document, "include.1.path", &path), 0);
	assert_string_equal(path, "b.toml");
	assert_int_equal(toml_get_bool(document, "include.1.optional", &optional), 0);
	assert_true(optional);
	assert_int_equal(toml_get_bool(document, "include.2.optional", &optional), -ENOENT);
	assert_int_equal(toml_get_bool(document, "include.-1.optional", &optional), -ENOENT);
	assert_int_equal(toml_get_bool(document, "include.99999999.optional", &optional), -ENOENT);
}

static void test_toml_finds_keys_with_dots_in_quotes(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document =
		parse("[a.\"b.c\"]\nd = 'x'\n[a.b]\nc.d = 'y'\n");
	_cleanup_(freep) char *one = NULL, *two = NULL;
	char *none = NULL;

	assert_int_equal(toml_get_string(document, "a.\"b.c\".d", &one), 0);
	assert_string_equal(one, "x");
	assert_int_equal(toml_get_string(document, "\"a\".b.c.d", &two), 0);
	assert_string_equal(two, "y");
	assert_int_equal(toml_get_string(document, "a.\"b.c", &none), -EBADMSG);
	assert_int_equal(toml_get_string(document, "a.\"b.c\".", &none), -EBADMSG);
}

static void test_toml_errors_name_the_line(void **state) {
	(void) state;
	assert_broken("a = 1\nb = = 2\n", "line 2: ");
	assert_broken("a = 1\na = 2\n", "line 2: ");
	assert_broken("[t\n", "line 1: ");
	assert_broken("a = \"\xff\xfe\"\n", "line 1: ");
	assert_broken("a = \"open\n", "line 1: ");
}

static void test_toml_accepts_an_empty_text(void **state) {
	(void) state;
	_cleanup_(toml_freep) struct toml_document *document = parse("");
	_cleanup_(toml_strings_freep) char **keys = NULL;

	assert_int_equal(toml_get_keys(document, "", &keys), 0);
	assert_null(keys[0]);
}

static void test_toml_refuses_a_text_over_the_limit(void **state) {
	(void) state;
	_cleanup_(freep) char *text = malloc(TOML_MAX + 1);
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(freep) char *error = NULL;

	assert_non_null(text);
	memset(text, '\n', TOML_MAX + 1);
	assert_int_equal(toml_parse(text, TOML_MAX + 1, &document, &error), -E2BIG);
	assert_int_equal(toml_parse(text, TOML_MAX, &document, &error), 0);
}

/* Each of these would end the stack if it were parsed as it stands. */
static void test_toml_survives_deep_nesting(void **state) {
	(void) state;
	_cleanup_(freep) char *dots = malloc(TOML_MAX + 1), *arrays = malloc(TOML_MAX + 1);

	assert_non_null(dots);
	assert_non_null(arrays);
	for (size_t i = 0; i < TOML_MAX - 2; i++)
		dots[i] = i % 2 ? '.' : 'a';
	memcpy(dots + TOML_MAX - 3, "a=1", 4);
	assert_broken(dots, "line 1: the keys are nested too deeply");
	dots[0] = '[';
	assert_broken(dots, "line 1: ");
	memset(arrays, '[', TOML_MAX);
	memcpy(arrays, "a=", 2);
	arrays[TOML_MAX] = '\0';
	assert_broken(arrays, "line 1: ");
}

/* Found by fuzzing: an assertion of toml++, and what it takes for unreachable. */
static void test_toml_survives_what_its_parser_does_not_expect(void **state) {
	(void) state;
	assert_broken("[[!x]]\n", "the text cannot be parsed");
	assert_broken("a = 1\n\xc3\xa9 = 1\n", "line 2: ");
	assert_broken("a = \"\"\"\\\xc3\xa9\"\"\"\n", "line 1: ");
}

/* Just under the limits: as deep as a text can get. */
static void test_toml_frees_the_deepest_document(void **state) {
	(void) state;
	_cleanup_(freep) char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(freep) char *error = NULL;

	assert_non_null(file);
	for (int level = 0; level < 8; level++) {
		for (int i = 0; i < 499; i++)
			fputs("a.", file);
		fputs("a = [\n{", file);
	}
	for (int level = 0; level < 8; level++)
		fputs(level == 0 ? "b = 1}]" : "}]", file);
	fclose(file);
	assert_true(size < TOML_MAX);
	if (toml_parse(text, size, &document, &error) < 0)
		assert_non_null(strstr(error, "nest"));
}

static void test_toml_finds_a_nul(void **state) {
	(void) state;
	static const char *const with[] = {"a = \"\\u0000\"", "\"a\\U00000000\" = 1",
		"a = [1, ['', \"\\\\\\u0000\"]]", "[[a]]\nb.c.\"d\\u0000\" = 1"};
	static const char *const without[] = {"", "# \\u0000", "a = '\\u0000'", "a = \"\\\\u0000\"",
		"'\\u0000' = [1, 1.5, true, 1979-05-27]"};

	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		_cleanup_(toml_freep) struct toml_document *document = parse(with[i]);
		assert_true(toml_has_nul(document));
	}
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		_cleanup_(toml_freep) struct toml_document *document = parse(without[i]);
		assert_false(toml_has_nul(document));
	}
}

static void test_toml_free_takes_null(void **state) {
	(void) state;
	assert_null(toml_free(NULL));
	assert_null(toml_strings_free(NULL));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_toml_reads_strings_at_dotted_paths),
		cmocka_unit_test(test_toml_takes_quotes_of_either_kind_around_a_key),
		cmocka_unit_test(test_toml_tells_absent_from_another_type),
		cmocka_unit_test(test_toml_lists_strings_and_keys),
		cmocka_unit_test(test_toml_walks_arrays_by_number),
		cmocka_unit_test(test_toml_finds_keys_with_dots_in_quotes),
		cmocka_unit_test(test_toml_errors_name_the_line),
		cmocka_unit_test(test_toml_accepts_an_empty_text),
		cmocka_unit_test(test_toml_refuses_a_text_over_the_limit),
		cmocka_unit_test(test_toml_survives_deep_nesting),
		cmocka_unit_test(test_toml_survives_what_its_parser_does_not_expect),
		cmocka_unit_test(test_toml_frees_the_deepest_document),
		cmocka_unit_test(test_toml_finds_a_nul),
		cmocka_unit_test(test_toml_free_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
