/* Platforms of dependencies, printed as cargo prints them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/work/inspect/platform.h"
#include "protocol/cleanup.h"

static void test_platform_is_printed_as_cargo_does(void **state) {
	static const char *const cases[][2] = {
		{"x86_64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"},
		{"thumbv7em.json", "thumbv7em.json"},
		{"cfg(unix)", "cfg(unix)"},
		{"cfg( unix )", "cfg(unix)"},
		{"cfg(target_os=\"linux\")", "cfg(target_os = \"linux\")"},
		{"cfg(a = \"\")", "cfg(a = \"\")"},
		{"cfg(a = \" b\\ \")", "cfg(a = \" b\\ \")"},
		{"cfg(not(unix))", "cfg(not(unix))"},
		{"cfg(all())", "cfg(all())"},
		{"cfg(any(a,b , c,))", "cfg(any(a, b, c))"},
		{"cfg(all(unix,not(any(a,b=\"c\"))))", "cfg(all(unix, not(any(a, b = \"c\"))))"},
		{"cfg(true)", "cfg(true)"},
		{"cfg(r#true)", "cfg(r#true)"},
		{"cfg(all_of_it)", "cfg(all_of_it)"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *printed = NULL;

		assert_int_equal(platform_print(cases[i][0], &printed), 0);
		assert_string_equal(printed, cases[i][1]);
	}
}

static void test_platform_refuses_what_is_none(void **state) {
	static const char *const cases[] = {"", " ", "a b", "a/b", "cfg (unix)", "cfg(", "cfg()",
		"cfg(unix", "cfg(unix))", "cfg(unix) ", "cfg(unix, b)", "cfg(a b)", "cfg(not())",
		"cfg(not(a, b))", "cfg(not(a,))", "cfg(all)", "cfg(all(,))", "cfg(all(a,,b))",
		"cfg(all(a b))", "cfg(all(a)", "cfg(a =)", "cfg(a = b)", "cfg(a = \"b)",
		"cfg(= \"b\")", "cfg(1a)", "cfg(a\t)", "cfg(r#)", "cfg(\xc3\xa9)"};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *printed = NULL;

		if (platform_print(cases[i], &printed) != -EINVAL)
			fail_msg("'%s' was printed", cases[i]);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_platform_is_printed_as_cargo_does),
		cmocka_unit_test(test_platform_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
