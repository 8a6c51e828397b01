/* Which bytes of a file are one entry: whole, alone, and no other. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/import/token_line.h"

#define TABLE "[registry]\n"

static struct token_line find_in(
	const char *text, size_t size, const struct token_entry *entry) {
	struct token_line line = {0};

	assert_true(token_line_find(text, size, entry, &line));
	assert_true(line.start < line.end && line.end <= size);
	return line;
}

static struct token_line find(const char *text, const struct token_entry *entry) {
	return find_in(text, strlen(text), entry);
}

/* The entry on line 2 of a text with the header on line 1. */
static bool is_simple(const char *text) {
	const struct token_entry entry = {.key = "token",
		.value = "abc",
		.line = 2,
		.header = "[registry]",
		.header_line = 1};

	return find(text, &entry).is_simple;
}

static void test_token_line_takes_the_line_with_its_end(void **state) {
	static const struct {
		const char *text;
		size_t end;
	} cases[] = {
		{TABLE "token = \"abc\"\nnext = 1\n", 25},
		{TABLE "token = \"abc\"\r\nnext = 1\r\n", 26},
		{TABLE "token = \"abc\"", 24},
		{TABLE "token = \"abc\"\n", 25},
	};
	const struct token_entry entry = {.key = "token", .value = "abc", .line = 2};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct token_line line = find(cases[i].text, &entry);

		assert_int_equal(line.start, strlen(TABLE));
		assert_int_equal(line.end, cases[i].end);
		assert_true(line.is_simple);
	}
}

static void test_token_line_accepts_what_is_one_entry(void **state) {
	static const char *const texts[] = {
		TABLE "token=\"abc\"\n",
		TABLE "token = 'abc'\n",
		TABLE "\t token\t = \t\"abc\"\t \n",
		TABLE "token = \"abc\" # token = \"abc\"\n",
		TABLE "token = \"abc\"#\r\n",
		"  [registry]\t# here\ntoken = \"abc\"\n",
		"\xef\xbb\xbf[registry]\ntoken = \"abc\"\n",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!is_simple(texts[i]))
			fail_msg("not simple: %s", texts[i]);
	}
}

static void test_token_line_refuses_what_is_more_or_less(void **state) {
	static const char *const texts[] = {
		TABLE "token = \"abcd\"\n",
		TABLE "token = \"ab\"\n",
		TABLE "token = abc\n",
		TABLE "token = \"abc'\n",
		TABLE "token = \"abc\n",
		TABLE "token = \"\"\"abc\"\"\"\n",
		TABLE "token = '''abc'''\n",
		TABLE "token = \"abc\", x = 1\n",
		TABLE "token = \"abc\" }\n",
		TABLE "token \"abc\"\n",
		TABLE "token\n",
		TABLE "tokens = \"abc\"\n",
		TABLE "x.token = \"abc\"\n",
		TABLE "token.x = \"abc\"\n",
		TABLE "\"token\" = \"abc\"\n",
		TABLE "# token = \"abc\"\n",
		TABLE "\v token = \"abc\"\n",
		"[registry.x]\ntoken = \"abc\"\n",
		"[[registry]]\ntoken = \"abc\"\n",
		"[registry] x\ntoken = \"abc\"\n",
		"[ registry ]\ntoken = \"abc\"\n",
		"x\ntoken = \"abc\"\n",
		"\ntoken = \"abc\"\n",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (is_simple(texts[i]))
			fail_msg("simple: %s", texts[i]);
	}
}

/* Such a value is written otherwise than it reads, or could end early. */
static void test_token_line_refuses_values_with_escapes_and_quotes(void **state) {
	static const struct {
		const char *text, *value;
	} cases[] = {
		{"token = \"a\\\\b\"\n", "a\\\\b"},
		{"token = 'a\"b'\n", "a\"b"},
		{"token = \"a'b\"\n", "a'b"},
		{"token = \"\"\n", ""},
		{"token = 1\n", NULL},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct token_entry entry = {
			.key = "token", .value = cases[i].value, .line = 1};

		assert_false(find(cases[i].text, &entry).is_simple);
	}
}

static void test_token_line_is_not_found_outside_the_text(void **state) {
	const struct token_entry zero = {.key = "token", .value = "abc"};
	const struct token_entry two = {.key = "token", .value = "abc", .line = 2};
	const struct token_entry lost = {.key = "token",
		.value = "abc",
		.line = 1,
		.header = "[registry]",
		.header_line = 9};
	const char *text = "token = \"abc\"\n";
	struct token_line line = {.start = 7};

	(void) state;
	assert_false(token_line_find(text, strlen(text), &zero, &line));
	assert_false(token_line_find(text, strlen(text), &two, &line));
	assert_false(token_line_find("", 0, &two, &line));
	assert_int_equal(line.start, 7);
	assert_false(find(text, &lost).is_simple);
}

/* Each cut of the text: nothing is read behind its end, which ASan would see. */
static void test_token_line_reads_no_byte_behind_the_text(void **state) {
	static const char text[] = TABLE "token = \"abc\" # x\n";
	const struct token_entry entry = {.key = "token",
		.value = "abc",
		.line = 2,
		.header = "[registry]",
		.header_line = 1};

	(void) state;
	for (size_t size = strlen(TABLE) + 1; size <= strlen(text); size++) {
		char *copy = test_malloc(size);

		memcpy(copy, text, size);
		struct token_line line = find_in(copy, size, &entry);
		assert_int_equal(line.end, size);
		assert_int_equal(line.is_simple, size >= strlen(TABLE) + 13);
		test_free(copy);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token_line_takes_the_line_with_its_end),
		cmocka_unit_test(test_token_line_accepts_what_is_one_entry),
		cmocka_unit_test(test_token_line_refuses_what_is_more_or_less),
		cmocka_unit_test(test_token_line_refuses_values_with_escapes_and_quotes),
		cmocka_unit_test(test_token_line_is_not_found_outside_the_text),
		cmocka_unit_test(test_token_line_reads_no_byte_behind_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
