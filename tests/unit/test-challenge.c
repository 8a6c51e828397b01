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

static void test_challenge_finds_the_claim(void **state) {
	static const char *const headers[] = {
		"Cargo challenge=\"a-1\"",
		"cargo CHALLENGE=a-1",
		"Cargo challenge = a-1 , x=y",
		"Cargo login_url=\"https://x/me\", challenge=\"a-1\"",
		"Cargo challenge=\"a-1\", login_url=\"https://x/me\"",
		"Basic challenge=\"b\", Cargo challenge=\"a-1\", Digest challenge=c",
		"Negotiate abc==, Cargo challenge=\"a-1\"",
		"X r=\"Cargo challenge=\\\"b\\\"\",Cargo challenge=\"a\\-1\"",
		"Cargo challenge=\"a-1\", Cargo challenge=a-1",
		"Cargo challenge=\"a-1\", Basic realm=\"open",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		_cleanup_(freep) char *claim = NULL;

		assert_int_equal(challenge_claim(headers[i], &claim), 0);
		assert_string_equal(claim, "a-1");
	}
}

static void test_challenge_finds_no_claim_elsewhere_or_of_two(void **state) {
	static const char *const headers[] = {
		"",
		"Cargo",
		"Cargo challenge",
		"Cargo challenges=\"a\"",
		"Cargo login_url=\"https://x/me\"",
		"Cargo challenge=\"a",
		"Cargo challenge=a:b",
		"Cargo challenge=abc==", /* Not all of it is a token. */
		"Cargo challenge=a=b",
		"Basic challenge=\"a\"",
		"challenge=\"a\"",
		"Cargo login_url=\"challenge=a\"",
		"Cargo challenge=\"a\", challenge=\"b\"",
		"Cargo challenge=\"a\", Cargo challenge=\"A\"",
		"Cargo challenge=\"a\", Basic x=y, Cargo challenge=\"\"",
		"Cargo challenge=\"a\", Cargo challenge=a==",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		char *claim = NULL;

		assert_int_equal(challenge_claim(headers[i], &claim), -ENOENT);
		assert_null(claim);
	}
}

/* What it says is for others to judge. */
static void test_challenge_gives_the_claim_as_it_is(void **state) {
	_cleanup_(freep) char *claim = NULL;
	_cleanup_(freep) char *empty = NULL;

	(void) state;
	assert_int_equal(challenge_claim("Cargo challenge=\"a \\\"\xe4, b\"", &claim), 0);
	assert_string_equal(claim, "a \"\xe4, b");
	assert_int_equal(challenge_claim("Cargo challenge=", &empty), 0);
	assert_string_equal(empty, "");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_challenge_finds_the_login_url),
		cmocka_unit_test(test_challenge_finds_nothing_elsewhere),
		cmocka_unit_test(test_challenge_finds_the_claim),
		cmocka_unit_test(test_challenge_finds_no_claim_elsewhere_or_of_two),
		cmocka_unit_test(test_challenge_gives_the_claim_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
