#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/net/crate_file.h"
#include "protocol/cleanup.h"

#define SUM_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SUM_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LINE(vers, cksum)                                                                          \
	"{\"name\":\"demo\",\"vers\":\"" vers "\",\"cksum\":\"" cksum "\",\"yanked\":false}\n"
#define LINE_MAX_SIZE ((size_t) 1024 * 1024)

/* Reads a copy of exactly that size, so that the sanitizer sees each byte read past the end. */
static int read_exactly(
	const char *text, size_t size, const char *version, struct crate_file *ret) {
	_cleanup_(freep) char *copy = malloc(size > 0 ? size : 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	return crate_file_read(copy, size, "demo", version, ret);
}

static void check(
	const char *text, const char *version, const char *last_version, const char *checksum) {
	_cleanup_(crate_file_done) struct crate_file file = CRATE_FILE_NULL;

	assert_int_equal(read_exactly(text, strlen(text), version, &file), 0);
	assert_string_equal(file.last_version, last_version);
	if (checksum)
		assert_string_equal(file.checksum, checksum);
	else
		assert_null(file.checksum);
}

static void test_crate_file_lies_where_cargo_looks(void **state) {
	static const char *const cases[][2] = {
		{"a", "https://x/i/1/a"},
		{"B", "https://x/i/1/b"},
		{"ab", "https://x/i/2/ab"},
		{"aBc", "https://x/i/3/a/abc"},
		{"abcd", "https://x/i/ab/cd/abcd"},
		{"A-_Z-Serde", "https://x/i/a-/_z/a-_z-serde"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *url = NULL;

		assert_int_equal(crate_file_url("https://x/i", cases[i][0], &url), 0);
		assert_string_equal(url, cases[i][1]);
	}
}

static void test_crate_file_tells_the_last_version(void **state) {
	(void) state;
	check(LINE("1.0.0", SUM_A), NULL, "1.0.0", NULL);
	check(LINE("2.0.0", SUM_A) LINE("1.0.0", SUM_A), NULL, "1.0.0", NULL);
	check(LINE("1.0.0", SUM_A) "garbage", NULL, "1.0.0", NULL);
	check("\n\r\n" LINE("1.0.0", SUM_A) "\n", NULL, "1.0.0", NULL);
}

static void test_crate_file_finds_exactly_the_version_first(void **state) {
	(void) state;
	check(LINE("1.0.0", SUM_A) LINE("1.0.0+x", SUM_B), "1.0.0", "1.0.0+x", SUM_A);
	check(LINE("1.0.0+x", SUM_B) LINE("1.0.0", SUM_A), "1.0.0", "1.0.0", SUM_A);
	check(LINE("1.0.0+x", SUM_B) LINE("1.0.0", SUM_A), "1.0.0+x", "1.0.0", SUM_B);
}

static void test_crate_file_finds_the_version_with_other_build_metadata(void **state) {
	(void) state;
	check(LINE("1.0.0+x", SUM_A), "1.0.0", "1.0.0+x", SUM_A);
	check(LINE("1.0.0", SUM_A), "1.0.0+x", "1.0.0", SUM_A);
	check(LINE("1.0.0+y", SUM_A), "1.0.0+x", "1.0.0+y", SUM_A);
	check(LINE("1.0.0-rc+y", SUM_A), "1.0.0+x", "1.0.0-rc+y", NULL);
	check(LINE("1.0.0", SUM_A), "1.0.01", "1.0.0", NULL);
	check(LINE("1.0.01", SUM_A) LINE("11.0.0", SUM_A), "1.0.0", "11.0.0", NULL);
}

static void test_crate_file_takes_the_last_of_equal_lines(void **state) {
	(void) state;
	check(LINE("1.0.0", SUM_A) LINE("1.0.0", SUM_B), "1.0.0", "1.0.0", SUM_B);
	/* Not one that another line would have put right. */
	check(LINE("1.0.0", SUM_A) LINE("1.0.0", "none"), "1.0.0", "1.0.0", NULL);
	check(LINE("1.0.0+x", SUM_A) LINE("1.0.0", "none"), "1.0.0", "1.0.0", NULL);
}

static void check_highest(const char *text, const char *highest_version) {
	_cleanup_(crate_file_done) struct crate_file file = CRATE_FILE_NULL;

	assert_int_equal(read_exactly(text, strlen(text), NULL, &file), 0);
	assert_string_equal(file.highest_version, highest_version);
}

static void test_crate_file_tells_the_highest_version(void **state) {
	(void) state;
	check_highest(LINE("1.0.0", SUM_A), "1.0.0");
	check_highest(LINE("1.9.0", SUM_A) LINE("1.10.0", SUM_A) LINE("1.2.0", SUM_A), "1.10.0");
	check_highest(LINE("2.0.0", SUM_A) LINE("2.0.0-rc.1", SUM_A), "2.0.0");
	/* Of equal ones the first; one that is no version does not count. */
	check_highest(LINE("2.0.0+a", SUM_A) LINE("2.0.0+b", SUM_A) LINE("9", SUM_A), "2.0.0+a");
}

static void test_crate_file_hands_on_no_malformed_checksum(void **state) {
	(void) state;
	check(LINE("1.0.0", ""), "1.0.0", "1.0.0", NULL);
	check(LINE("1.0.0", SUM_A "a"), "1.0.0", "1.0.0", NULL);
	check(LINE("1.0.0", "A" SUM_A), "1.0.0", "1.0.0", NULL);
	check("{\"name\":\"demo\",\"vers\":\"1.0.0\",\"cksum\":7}", "1.0.0", "1.0.0", NULL);
	check("{\"name\":\"demo\",\"vers\":\"1.0.0\"}", "1.0.0", "1.0.0", NULL);
}

static void test_crate_file_refuses_a_file_without_a_usable_line(void **state) {
	static const char *const files[] = {
		"",
		"\n",
		"\n\n\r\n",
		"x",
		"{",
		"[]",
		"null",
		"{}",
		"{\"name\":\"demo\"}",
		"{\"name\":\"demo\",\"vers\":\"1.0\"}",
		"{\"name\":\"demo\",\"vers\":1}",
		"{\"name\":\"Demo\",\"vers\":\"1.0.0\"}",
		"{\"name\":[],\"vers\":\"1.0.0\"}",
		"{\"name\":\"demo\",\"name\":\"demo\",\"vers\":\"1.0.0\"}",
		"{\"name\":\"demo\",\"vers\":\"1.0.0\"} {}",
		"[" LINE("1.0.0", SUM_A) "]",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct crate_file file = CRATE_FILE_NULL;

		assert_int_equal(
			read_exactly(files[i], strlen(files[i]), "1.0.0", &file), -EBADMSG);
		assert_null(file.last_version);
		assert_null(file.checksum);
	}
}

static void test_crate_file_is_not_ended_by_a_nul(void **state) {
	static const char text[] = "\0\n{\"name\":\"demo\",\"vers\":\"1.0.0\"}";
	_cleanup_(crate_file_done) struct crate_file file = CRATE_FILE_NULL;

	(void) state;
	assert_int_equal(read_exactly(text, sizeof(text) - 1, NULL, &file), 0);
	assert_string_equal(file.last_version, "1.0.0");
}

/* A line of `size` bytes behind a short one; tells which version is the last. */
static void check_long_line(size_t size, const char *last_version) {
	static const char start[] = "{\"name\":\"demo\",\"vers\":\"2.0.0\",\"pad\":\"";
	static const char first[] = LINE("1.0.0", SUM_A);
	size_t first_size = sizeof(first) - 1;
	_cleanup_(freep) char *text = malloc(first_size + size);
	_cleanup_(crate_file_done) struct crate_file file = CRATE_FILE_NULL;

	assert_non_null(text);
	memset(text, 'x', first_size + size);
	memcpy(text, first, first_size);
	memcpy(text + first_size, start, sizeof(start) - 1);
	memcpy(text + first_size + size - 2, "\"}", 2);
	assert_int_equal(read_exactly(text, first_size + size, NULL, &file), 0);
	assert_string_equal(file.last_version, last_version);
}

static void test_crate_file_passes_over_a_line_of_more_than_1_mib(void **state) {
	(void) state;
	check_long_line(LINE_MAX_SIZE, "2.0.0");
	check_long_line(LINE_MAX_SIZE + 1, "1.0.0");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crate_file_lies_where_cargo_looks),
		cmocka_unit_test(test_crate_file_tells_the_last_version),
		cmocka_unit_test(test_crate_file_finds_exactly_the_version_first),
		cmocka_unit_test(test_crate_file_finds_the_version_with_other_build_metadata),
		cmocka_unit_test(test_crate_file_takes_the_last_of_equal_lines),
		cmocka_unit_test(test_crate_file_tells_the_highest_version),
		cmocka_unit_test(test_crate_file_hands_on_no_malformed_checksum),
		cmocka_unit_test(test_crate_file_refuses_a_file_without_a_usable_line),
		cmocka_unit_test(test_crate_file_is_not_ended_by_a_nul),
		cmocka_unit_test(test_crate_file_passes_over_a_line_of_more_than_1_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
