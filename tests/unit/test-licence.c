/* The form of licence expressions, and which names are common. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/work/inspect/licence.h"
#include "protocol/cleanup.h"

static void test_licence_knows_the_common_ones(void **state) {
	static const char *const cases[] = {"MIT", "MIT OR Apache-2.0", "MIT/Apache-2.0",
		"(MIT OR Apache-2.0) AND BSD-3-Clause", "Apache-2.0 WITH LLVM-exception",
		"GPL-2.0+", "((MIT))", "MIT / Apache-2.0 ",
		"Zlib OR Apache-2.0 WITH LLVM-exception OR MIT"};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *unusual = NULL;

		assert_int_equal(licence_check(cases[i], &unusual), 0);
		assert_null(unusual);
	}
}

static void test_licence_names_the_first_that_is_unusual(void **state) {
	_cleanup_(freep) char *unusual = NULL;

	(void) state;
	assert_int_equal(licence_check("MIT AND (Odd-1.0 OR Odder)", &unusual), 0);
	assert_string_equal(unusual, "Odd-1.0");
}

static void test_licence_refuses_what_is_no_expression(void **state) {
	static const char *const cases[] = {"", " ", "MIT Apache-2.0", "MIT,Apache-2.0", "MIT OR",
		"OR MIT", "MIT OR OR MIT", "(MIT", "MIT)", "()", "MIT (Apache-2.0)", "MIT//MIT",
		"/MIT", "MIT WITH", "+", "MIT &", "M\xc3\xaeT", "see LICENSE", ")MIT("};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *unusual = NULL;

		if (licence_check(cases[i], &unusual) != -EINVAL)
			fail_msg("'%s' was taken", cases[i]);
		assert_null(unusual);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_licence_knows_the_common_ones),
		cmocka_unit_test(test_licence_names_the_first_that_is_unusual),
		cmocka_unit_test(test_licence_refuses_what_is_no_expression),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
