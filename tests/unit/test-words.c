#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/net/words.h"
#include "protocol/secret.h"

static void test_words_are_printable_ascii(void **state) {
	static const char said[] = "a\0b\x1b[31m\r\n\t~ \x7f\xc3\xa4";
	_cleanup_(freep) char *words = words_tell(said, sizeof(said) - 1, WORDS_MAX, NULL);

	(void) state;
	assert_string_equal(words, "a?b?[31m   ~ ???");
}

static void test_words_are_cut(void **state) {
	_cleanup_(freep) char *words = words_tell("a\r\nb\tc\x1b\xc3\xa4", 9, 8, NULL);

	(void) state;
	assert_string_equal(words, "a  b c??");
}

static void test_words_of_nothing_are_none(void **state) {
	(void) state;
	assert_null(words_tell("x", 0, WORDS_MAX, NULL));
}

/* Also of one that is cut off in its first bytes, where the rest would not be found. */
static void test_words_that_repeat_the_token_are_not_told(void **state) {
	static const char token[] = "0123456789abcdefghij";
	static const char said[] = "it is 0123456789abcdefghij";
	_cleanup_(secret_freep) struct secret *secret = NULL;
	_cleanup_(freep) char *words = NULL;

	(void) state;
	assert_int_equal(secret_from(token, strlen(token), &secret), 0);
	assert_null(words_tell(said, strlen(said), 10, secret));
	words = words_tell(said, strlen(said), 10, NULL);
	assert_string_equal(words, "it is 0123");
}

/* What is left of a token once it is cleaned is compared, and what a terminal shows of it. */
static void test_words_that_hide_the_token_are_not_told(void **state) {
	static const struct {
		const char *said, *token;
	} cases[] = {
		{"is it cio?\x01"
		 "6789abcdef?",
			"cio??6789abcdef"},
		{"is it cio\x01\xc3"
		 "6789abcdef?",
			"cio??6789abcdef"},
		{"is it cio\n6789 abcdef?", "cio 6789 abcdef"},
		{"is it cio\n6789\tabcdef?", "cio 6789 abcdef"},
		{"is it cio\x01"
		 "6789\xc2\xad"
		 "abcdef?",
			"cio6789abcdef"},
		{"is it c\ni\no6789abc\x7f"
		 "def?",
			"cio6789abcdef"},
		{"is it 0123456789\r\nabcdef?", "0123456789abcdefghij"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(secret_freep) struct secret *secret = NULL;
		_cleanup_(freep) char *words = NULL, *cut = NULL;

		assert_int_equal(secret_from(cases[i].token, strlen(cases[i].token), &secret), 0);
		words = words_tell(cases[i].said, strlen(cases[i].said), WORDS_MAX, secret);
		assert_null(words);
		cut = words_tell(cases[i].said, strlen(cases[i].said), 10, secret);
		assert_null(cut);
	}
}

static bool repeats(const char *text, const char *token) {
	_cleanup_(secret_freep) struct secret *secret = NULL;

	assert_int_equal(secret_from(token, strlen(token), &secret), 0);
	return words_repeat(text, strlen(text), secret);
}

static void test_words_that_repeat_a_token_are_found(void **state) {
	(void) state;
	assert_true(repeats("12345678", "12345678"));
	assert_true(repeats("your 12345678 is wrong", "12345678"));
	assert_true(repeats("0123456789abcdef...", "0123456789abcdefghij"));
	assert_true(repeats("...456789abcdefghij", "0123456789abcdefghij"));
	assert_true(repeats("2345: 123456789abcdefg", "0123456789abcdefghij"));
	assert_true(repeats("no such token: 12345678", "Bearer 12345678"));
	assert_true(repeats("no such token: a b c d e f", "a b c d e f"));
}

static void test_words_that_repeat_little_are_not(void **state) {
	(void) state;
	assert_false(words_repeat("x", 1, NULL));
	assert_false(repeats("", "12345678"));
	assert_false(repeats("1234567", "1234567"));
	assert_false(repeats("1234567", "12345678"));
	assert_false(repeats("0123456789abcde", "0123456789abcdefghij"));
	assert_false(repeats("1234567", "Bearer 1234567"));
}

/* PASETO v3.public: what is signed, 96 bytes of signature, and the footer, in base64 each. */
#define CLAIMS "eyJpYXQiOiIyMDI2LTExLTMwVDE2OjE0OjU2WiIsIm11dGF0aW9uIjoieWFuayJ9"
#define SIGNATURE                                                                                  \
	"Ab0cD1eF2gH3iJ4kL5mN6oP7qR8sT9uVwX_yZ-aBc0De1Fg2Hi3Jk4Lm5No6Pq7R"                              \
	"sT8uV9wX0_Yz1-Ab2Cd3Ef4Gh5Ij6Kl7Mn8Op9Qr0St1Uv2Wx3_Yz4-AaBbCcDdE"
#define FOOTER "eyJ1cmwiOiJzcGFyc2UraHR0cHM6Ly9yLmV4YW1wbGUvIiwia2lwIjoiazMucGlkLkFCQyJ9"
#define SIGNED "v3.public." CLAIMS SIGNATURE "." FOOTER

/* All the rest of it anybody knows, and whoever has a piece of the signature has no other. */
static void test_words_that_repeat_the_signature_of_a_token_are_found(void **state) {
	static const char signature[] = SIGNATURE;

	(void) state;
	assert_true(repeats("no such token: " SIGNED, SIGNED));
	/* Its first characters may be of the claims as well. */
	for (size_t at = 4; at + 16 < sizeof(signature); at++) {
		_cleanup_(freep) char *piece = strndup(signature + at, 16);

		assert_true(repeats(piece, SIGNED));
		piece[15] = '\0';
		assert_false(repeats(piece, SIGNED));
	}
}

/* A registry may well repeat it, and a challenge look like it. */
static void test_words_that_repeat_what_is_public_of_a_token_are_not(void **state) {
	(void) state;
	assert_false(repeats("v3.public." CLAIMS, SIGNED));
	assert_false(repeats("v4.public." CLAIMS, SIGNED));
	assert_false(repeats("it says " CLAIMS " and " FOOTER, SIGNED));
	/* Of a token that lasts each piece counts. */
	assert_true(repeats(CLAIMS, "v4.public." CLAIMS SIGNATURE "." FOOTER));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_printable_ascii),
		cmocka_unit_test(test_words_are_cut),
		cmocka_unit_test(test_words_of_nothing_are_none),
		cmocka_unit_test(test_words_that_repeat_the_token_are_not_told),
		cmocka_unit_test(test_words_that_hide_the_token_are_not_told),
		cmocka_unit_test(test_words_that_repeat_a_token_are_found),
		cmocka_unit_test(test_words_that_repeat_little_are_not),
		cmocka_unit_test(test_words_that_repeat_the_signature_of_a_token_are_found),
		cmocka_unit_test(test_words_that_repeat_what_is_public_of_a_token_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
