#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/rule/shape.h"
#include "protocol/secret.h"

#define BODY32 "abcdefghijklmnopqrstuvwxyz012345"

static const char *shape(const char *text) {
	_cleanup_(secret_freep) struct secret *secret = NULL;

	assert_int_equal(secret_from(text, strlen(text), &secret), 0);
	return shape_of_crates_io(secret);
}

static void test_shape_takes_what_crates_io_gives_out(void **state) {
	(void) state;
	assert_null(shape("cio" BODY32));
	assert_null(shape("Bearer cio" BODY32));
	assert_null(shape("bearer cio" BODY32));
}

/* Conformance cases 92 and 93 (crates.io, access_token.rs). */
static void test_shape_checks_the_check_character_of_trusted_publishing(void **state) {
	(void) state;
	assert_null(shape("cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOOd"));
	assert_null(shape("cio_tp_0000000000000000000000000000000w"));
	assert_null(shape("Bearer cio_tp_0000000000000000000000000000000w"));
	assert_string_equal(shape("cio_tp_00000000000000000000000000000000"),
		"its check character does not fit: a character was changed");
	assert_string_equal(shape("cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOOe"),
		"its check character does not fit: a character was changed");
	assert_string_equal(shape("cio_tp_hGK6jurSwKyl9V3Az19z7YEFQI9aoOOd"),
		"its check character does not fit: a character was changed");
}

static void test_shape_names_what_is_wrong_and_nothing_of_the_token(void **state) {
	static const struct {
		const char *token, *says;
	} cases[] = {
		{"x", "begin"},
		{"ghp_" BODY32, "begin"},
		{"CIO" BODY32, "begin"},
		{"Bearer x" BODY32, "begin"},
		{"Basic cio" BODY32, "begin"},
		{"cio", "35"},
		{"cio" BODY32 "6", "35"},
		{"cioabcdefghijklmnopqrstuvwxyz01234", "35"},
		{"cioabcdefghijklmnopqrstuvwxyz01234-", "letters"},
		{"cio abcdefghijklmnopqrstuvwxyz01234", "letters"},
		{"cio_tp_", "39"},
		{"cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOO", "39"},
		{"cio_tp_gGK6jurSwKyl9V3Az19z7YEFQI9aoOO_", "letters"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *says = shape(cases[i].token);

		assert_non_null(says);
		assert_non_null(strstr(says, cases[i].says));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape_takes_what_crates_io_gives_out),
		cmocka_unit_test(test_shape_checks_the_check_character_of_trusted_publishing),
		cmocka_unit_test(test_shape_names_what_is_wrong_and_nothing_of_the_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
