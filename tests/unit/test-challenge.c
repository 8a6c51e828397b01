#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/work/net/challenge.h"
#include "protocol/cleanup.h"

static void test_challenge_finds_the_login_url(void **state) {
	static const char *const headers[] = {
		"Cargo login_url=\"https://x/me\"",
		"cargo LOGIN_URL=\"https://x/me\"",
		"CARGO\tlogin_url = \"https://x/me\"",
		"Cargo realm=\"a, b\", login_url=\"https://x/me\"",
		"Basic realm=\"r\", Cargo login_url=\"https://x/me\"",
		"Basic, Cargo login_url=\"https://x/me\"",
		"Negotiate abc==, Cargo login_url=\"https://x/me\"",
		"Basic login_url=\"https://no\", , Cargo a=b,login_url=\"https://x/me\"",
		"X r=\"Cargo login_url=\\\"https://no\\\"\",Cargo login_url=\"https:\\//x/me\"",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		_cleanup_(freep) char *url = NULL;

		assert_int_equal(challenge_login_url(headers[i], &url), 0);
		assert_string_equal(url, "https://x/me");
	}
}

static void test_challenge_finds_nothing_elsewhere(void **state) {
	static const char *const headers[] = {
		"",
		" , ,",
		"Cargo",
		"Cargo login_url",
		"Cargo realm=\"x\"",
		"Cargo login_url=https://x/me", /* `:` needs quotes. */
		"Cargo login_url=\"https://x/me",
		"Cargo login_url=\"https://x/me\\\"",
		"Cargo login_url=\"\\",
		"Basic login_url=\"https://x/me\"",
		"Cargo realm=\"r\", Basic login_url=\"https://x/me\"",
		"Cargoo login_url=\"https://x/me\"",
		"\"Cargo\" login_url=\"https://x/me\"",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		char *url = NULL;

		assert_int_equal(challenge_login_url(headers[i], &url), -ENOENT);
		assert_null(url);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenge_finds_the_login_url),
		cmocka_unit_test(test_challenge_finds_nothing_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
