#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/net/probe.h"
#include "protocol/cleanup.h"

#define ERROR(words) "{\"errors\":[{\"detail\":\"" words "\"}]}"

/* Reads a copy of exactly that size, so that the sanitizer sees each byte read past the end. */
static enum verdict probe(long status, const char *body, char **ret_words) {
	size_t size = strlen(body);
	_cleanup_(freep) char *copy = malloc(size > 0 ? size : 1);
	enum verdict verdict = _VERDICT_MAX;

	assert_non_null(copy);
	memcpy(copy, body, size);
	assert_int_equal(probe_read(status, copy, size, NULL, &verdict, ret_words), 0);
	return verdict;
}

static void check(long status, const char *body, enum verdict verdict) {
	_cleanup_(freep) char *words = NULL;

	assert_int_equal(probe(status, body, &words), verdict);
}

static void test_probe_knows_the_words_of_crates_io(void **state) {
	(void) state;
	check(403, ERROR("this action can only be performed on the crates.io website"),
		VERDICT_VALID);
	check(403, ERROR("authentication failed"), VERDICT_DEAD);
	check(401, ERROR("The given API token does not match the format used by crates.io. New: …"),
		VERDICT_MALFORMED);
	check(401, ERROR("Invalid `Authorization` header: Found unexpected …"), VERDICT_MALFORMED);
	check(403, ERROR("This account is indefinitely locked. Reason: x"), VERDICT_LOCKED);
	check(403, ERROR("This account is locked until 2099. Reason: x"), VERDICT_LOCKED);
}

static void test_probe_takes_no_words_with_another_status(void **state) {
	static const long statuses[] = {0, 200, 400, 402, 404, 500, 503};

	(void) state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		check(statuses[i], ERROR("authentication failed"), VERDICT_UNKNOWN);
		check(statuses[i], ERROR("does not match the format used by crates.io"),
			VERDICT_UNKNOWN);
	}
	check(401, ERROR("authentication failed"), VERDICT_UNKNOWN);
	check(403, ERROR("does not match the format used by crates.io"), VERDICT_UNKNOWN);
}

static void test_probe_takes_no_words_in_another_shape(void **state) {
	static const char *const bodies[] = {"", "authentication failed", "{", "[]", "null", "{}",
		"{\"errors\":[]}", "{\"errors\":{\"detail\":\"authentication failed\"}}",
		"{\"errors\":[\"authentication failed\"]}",
		"{\"errors\":[{\"detail\":\"authentication failed\"},{}]}",
		ERROR("authentication failed") "x"};

	(void) state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		check(403, bodies[i], VERDICT_UNKNOWN);
}

static void test_probe_tells_what_was_said(void **state) {
	_cleanup_(freep) char *said = NULL, *raw = NULL, *nothing = NULL;

	(void) state;
	(void) probe(500, ERROR("sorry\\n"), &said);
	assert_string_equal(said, "sorry ");
	(void) probe(502, "<html>\n", &raw);
	assert_string_equal(raw, "<html> ");
	(void) probe(500, "", &nothing);
	assert_null(nothing);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_knows_the_words_of_crates_io),
		cmocka_unit_test(test_probe_takes_no_words_with_another_status),
		cmocka_unit_test(test_probe_takes_no_words_in_another_shape),
		cmocka_unit_test(test_probe_tells_what_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
