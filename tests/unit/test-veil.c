/* What is hidden of a configuration file, and what is not: tokens never, keys always. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/cpub/veil.h"

#define TOKEN "cioABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
#define HIDDEN "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static int read_text(const char *text, struct veiled *ret) {
	char path[] = "/tmp/test-veil-XXXXXX";
	size_t size = strlen(text);
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t) size);
	close(fd);
	r = veil_read(path, 64 * 1024, ret);
	unlink(path);
	return r;
}

static const struct {
	const char *text;
	const char *veiled;
	bool has_secret;
	size_t stray_line;
} rows[] = {
	{"", "", false, 0},
	{"token = \"abc\"\n", "token = \"xxx\"\n", true, 0},
	{"token='abc'", "token='xxx'", true, 0},
	{"token = abc\nkey = abc\n", "token = 111\nkey = abc\n", true, 0},
	{"token = \"\"\nkey = \"abc\"\n", "token = \"\"\nkey = \"abc\"\n", false, 0},
	{"\"token\" = \"abc\"\n", "\"token\" = \"xxx\"\n", true, 0},
	{"'token' = \"abc\"\n", "'token' = \"xxx\"\n", true, 0},
	{"\"tok\\u0065n\" = \"abc\"\n", "\"tok\\u0065n\" = \"xxx\"\n", true, 0},
	{"registry.token = \"abc\"\n", "registry.token = \"xxx\"\n", true, 0},
	{"registry . \"token\" = \"abc\"\n", "registry . \"token\" = \"xxx\"\n", true, 0},
	{"secret-key = \"k3.a\"\nb = \"c\"\n", "secret-key = \"xxxx\"\nb = \"c\"\n", true, 0},
	{"tokens = \"abc\"\nmy-token = \"abc\"\n", "tokens = \"abc\"\nmy-token = \"abc\"\n", false,
		0},
	{"token = \"a\\\"b\"\nc = \"d\"\n", "token = \"xxxx\"\nc = \"d\"\n", true, 0},
	{"token = 'a\\'\nc = \"d\"\n", "token = 'xx'\nc = \"d\"\n", true, 0},
	{"token = \"\"\"\na\"b\"\"\"\nc = \"d\"\n", "token = \"\"\"\nx\"x\"\"\"\nc = \"d\"\n", true,
		0},
	{"token = '''a\nb''''\nc = 'd'\n", "token = '''x\nx''''\nc = 'd'\n", true, 0},
	{"a = { token = \"b\", c = \"d\" }\n", "a = { token = \"x\", c = \"d\" }\n", true, 0},
	{"a = { c = \"d\", token = \"b\" }\ne = \"f\"\n",
		"a = { c = \"d\", token = \"x\" }\ne = \"f\"\n", true, 0},
	{"token = [\n\"a\", \"b\"\n]\nc = \"d\"\n", "token = [\n\"x\", \"x\"\n]\nc = \"d\"\n", true,
		0},
	{"X_TOKEN = { value = \"a\", force = true }\nb = \"c\"\n",
		"X_TOKEN = { value = \"x\", force = true }\nb = \"c\"\n", true, 0},
	{"a = [\"token = b\", \"c\"]\n", "a = [\"token = b\", \"c\"]\n", false, 0},
	{"a = \"\"\"\ntoken = b\n\"\"\"\n", "a = \"\"\"\ntoken = b\n\"\"\"\n", false, 0},
	{"[token]\na = \"b\"\n", "[token]\na = \"b\"\n", false, 0},
	{"a = 1 # token\nb = 2\n", "a = 1 #xxxxxx\nb = 2\n", false, 0},
	{"a = 1\n# token = \"" TOKEN "\"\n", NULL, false, 2},
	{"a = \"" TOKEN "\"\n", "a = \"" HIDDEN "\"\n", false, 1},
	{"a = \"x" TOKEN "YZ\"\nb = 1\n", "a = \"x" HIDDEN "xx\"\nb = 1\n", false, 1},
	{"a = \"ciociocio\"\n", "a = \"ciociocio\"\n", false, 0},
	{"token = \"" TOKEN "\"\n", "token = \"" HIDDEN "\"\n", true, 0},
};

static void test_veil_hides_what_is_secret_and_nothing_else(void **state) {
	(void) state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(veiled_done) struct veiled veiled = {0};

		assert_int_equal(read_text(rows[i].text, &veiled), 0);
		assert_int_equal(veiled.size, strlen(rows[i].text));
		if (rows[i].veiled)
			assert_string_equal(veiled.text, rows[i].veiled);
		assert_null(strstr(veiled.text, TOKEN));
		assert_int_equal(veiled.has_secret, rows[i].has_secret);
		assert_int_equal(veiled.stray_line, rows[i].stray_line);
	}
}

/* Longer than what is read at once, with each place of the token over the seam once. */
static void test_veil_hides_over_the_seams_of_its_window(void **state) {
	(void) state;

	for (size_t padding = 4096 - 50; padding < 4096 + 5; padding++) {
		_cleanup_(veiled_done) struct veiled veiled = {0};
		char text[5000];

		memset(text, ' ', padding);
		strcpy(text + padding, "\ntoken = \"" TOKEN "\"\nb = 'c'\n");
		assert_int_equal(read_text(text, &veiled), 0);
		assert_non_null(strstr(veiled.text, "token = \"" HIDDEN "\"\nb = 'c'\n"));
	}
}

static void test_veil_knows_which_bytes_it_hid(void **state) {
	(void) state;
	_cleanup_(veiled_done) struct veiled veiled = {0};

	assert_int_equal(read_text("a = 'xx' # b\ntoken = 'c'\n", &veiled), 0);
	assert_false(veiled_hides(&veiled, 0, 9));
	assert_true(veiled_hides(&veiled, 0, 12));
	assert_true(veiled_hides(&veiled, 13, veiled.size));
	assert_int_equal(veiled_kind(&veiled, 0), VEIL_PLAIN);
	assert_int_equal(veiled_kind(&veiled, 5), VEIL_STRING);
	assert_int_equal(veiled_kind(&veiled, 10), VEIL_COMMENT);
}

static void test_veil_refuses_what_is_no_file_or_too_long(void **state) {
	(void) state;
	_cleanup_(veiled_done) struct veiled veiled = {0};

	assert_int_equal(veil_read("/tmp", 10, &veiled), -EISDIR);
	assert_int_equal(veil_read("/dev/null", 10, &veiled), -EINVAL);
	assert_int_equal(veil_read("/tmp/no/such/file", 10, &veiled), -ENOENT);
	assert_int_equal(veil_read("/proc/self/status", 10, &veiled), -E2BIG);
	assert_null(veiled.text);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_veil_hides_what_is_secret_and_nothing_else),
		cmocka_unit_test(test_veil_hides_over_the_seams_of_its_window),
		cmocka_unit_test(test_veil_knows_which_bytes_it_hid),
		cmocka_unit_test(test_veil_refuses_what_is_no_file_or_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
