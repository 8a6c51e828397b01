/* Version requirements, printed as the semver crate prints them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/inspect/requirement.h"
#include "protocol/cleanup.h"

static void test_requirement_is_printed_as_cargo_does(void **state) {
	static const char *const cases[][2] = {
		{"1", "^1"},
		{"1.0", "^1.0"},
		{"1.2.3", "^1.2.3"},
		{"0.0.0", "^0.0.0"},
		{"^1.2", "^1.2"},
		{"~1", "~1"},
		{"=1.2.3", "=1.2.3"},
		{"= 1.2", "=1.2"},
		{">=1, <2", ">=1, <2"},
		{" >= 1.0 ,  <2.0,~1 ", ">=1.0, <2.0, ~1"},
		{"> 1", ">1"},
		{"<=1.2.3-alpha.1", "<=1.2.3-alpha.1"},
		{"1.2.3-0.a-b.x7", "^1.2.3-0.a-b.x7"},
		{"1.2.3+build.01", "^1.2.3"},
		{"1.2.3-rc+b", "^1.2.3-rc"},
		{"*", "*"},
		{" * ", "*"},
		{"x", "*"},
		{"1.*", "1.*"},
		{"1.X", "1.*"},
		{"1.2.*", "1.2.*"},
		{"1.*.*", "1.*"},
		{">=1.*", ">=1"},
		{"~1.2.*", "~1.2"},
		{"=1.*, <2", "=1, <2"},
		{"18446744073709551615", "^18446744073709551615"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *printed = NULL;

		assert_int_equal(requirement_print(cases[i][0], &printed), 0);
		assert_string_equal(printed, cases[i][1]);
	}
}

static void test_requirement_refuses_what_is_none(void **state) {
	static const char *const cases[] = {"", " ", ",", "1,", ",1", "1 2", "1;2", "one", "v1",
		"=", ">=", "=>1", "==1", "~>1", "1.", ".1", "1..2", "1.2.", "1.2.3.4", "01", "1.02",
		"1.2.03", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.3+", "1-a", "1.2-a", "1+b",
		"1.2+b", "1.*.3", "*.1", "*, 1", "1, *", "**", "* *", "1.**", "1.*-a",
		"18446744073709551616", "100000000000000000000", "-1", "1.-2", "\t1", "1.0\n",
		"1.2.3-\xc3\xa9", "1.2.3 -a"};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *printed = NULL;

		if (requirement_print(cases[i], &printed) != -EINVAL)
			fail_msg("'%s' was printed", cases[i]);
		assert_null(printed);
	}
}

static void test_requirement_has_so_many_parts(void **state) {
	char text[3 * 33] = "";
	_cleanup_(freep) char *printed = NULL;
	_cleanup_(freep) char *none = NULL;

	(void) state;
	for (int i = 0; i < 32; i++)
		(void) strcat(text, i > 0 ? ",<2" : ">1");
	assert_int_equal(requirement_print(text, &printed), 0);
	(void) strcat(text, ",1");
	assert_int_equal(requirement_print(text, &none), -EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requirement_is_printed_as_cargo_does),
		cmocka_unit_test(test_requirement_refuses_what_is_none),
		cmocka_unit_test(test_requirement_has_so_many_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
