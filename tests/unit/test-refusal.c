#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/refusal.h"

static void test_refusal_names_are_plain_and_differ(void **state) {
	(void) state;
	for (int i = 0; i < _REFUSAL_MAX; i++) {
		const char *name = refusal_name((enum refusal) i);

		assert_non_null(name);
		assert_true(strlen(name) > 0);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, refusal_name((enum refusal) j));
	}
}

static void test_refusal_is_found_by_its_name(void **state) {
	(void) state;
	for (int i = 0; i < _REFUSAL_MAX; i++)
		assert_int_equal(refusal_from_name(refusal_name((enum refusal) i)), i);
	assert_int_equal(refusal_from_name(""), _REFUSAL_INVALID);
	assert_int_equal(refusal_from_name("of-tomorrow"), _REFUSAL_INVALID);
	assert_int_equal(refusal_from_name("Locked"), _REFUSAL_INVALID);
	assert_int_equal(refusal_from_name("locked "), _REFUSAL_INVALID);
}

static void test_refusal_exit_codes_are_those_of_the_manual(void **state) {
	(void) state;
	assert_int_equal(refusal_exit_code(REFUSAL_NONE), EXIT_DONE);
	for (int i = REFUSAL_NONE + 1; i < _REFUSAL_MAX; i++)
		assert_in_range(refusal_exit_code((enum refusal) i), EXIT_FAILED, EXIT_STORE);
}

/* Some that scripts rely on, by the meaning of their number. */
static void test_refusal_exit_codes_say_what_happened(void **state) {
	static const struct {
		enum refusal refusal;
		int exit_code;
	} cases[] = {
		{REFUSAL_ARGUMENT_UNKNOWN, 2},
		{REFUSAL_AGENT_UNREACHABLE, 3},
		{REFUSAL_NOT_FOUND, 4},
		{REFUSAL_NO_STORE, 4},
		{REFUSAL_LOCKED, 4},
		{REFUSAL_NEEDS_TERMINAL, 4},
		{REFUSAL_DENIED, 5},
		{REFUSAL_NOT_GRANTED, 5},
		{REFUSAL_AUTH_REQUIRED, 6},
		{REFUSAL_NETWORK, 7},
		{REFUSAL_TLS, 7},
		{REFUSAL_REDIRECT, 7},
		{REFUSAL_BAD_NAME, 8},
		{REFUSAL_WRONG_PASSPHRASE, 10},
		{REFUSAL_STORE_DAMAGED, 10},
		{REFUSAL_STORE_GONE, 10},
		{REFUSAL_STORE_OLDER, 10},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(refusal_exit_code(cases[i].refusal), cases[i].exit_code);
}

static void test_refusal_sentences_are_one_line_without_blame(void **state) {
	(void) state;
	for (int i = 0; i < _REFUSAL_MAX; i++) {
		const char *sentence = refusal_sentence((enum refusal) i);

		assert_non_null(sentence);
		assert_true(strlen(sentence) > 10);
		for (const char *at = sentence; *at; at++)
			assert_true(*at >= 0x20 && *at < 0x7f);
		assert_null(strchr(sentence, '!'));
		/* Callers put it behind "error: " and may add a detail. */
		assert_int_not_equal(sentence[strlen(sentence) - 1], '.');
		assert_int_not_equal(sentence[strlen(sentence) - 1], ' ');
		assert_null(strstr(sentence, "  "));
	}
}

static void test_refusal_from_errno_tells_memory_from_the_rest(void **state) {
	(void) state;
	assert_int_equal(refusal_from_errno(-ENOMEM), REFUSAL_NO_MEMORY);
	assert_int_equal(refusal_from_errno(-EIO), REFUSAL_INTERNAL);
	assert_int_equal(refusal_from_errno(-EBADMSG), REFUSAL_INTERNAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal_names_are_plain_and_differ),
		cmocka_unit_test(test_refusal_is_found_by_its_name),
		cmocka_unit_test(test_refusal_exit_codes_are_those_of_the_manual),
		cmocka_unit_test(test_refusal_exit_codes_say_what_happened),
		cmocka_unit_test(test_refusal_sentences_are_one_line_without_blame),
		cmocka_unit_test(test_refusal_from_errno_tells_memory_from_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
