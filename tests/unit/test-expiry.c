#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/rule/expiry.h"

#define DAY (24 * 60 * 60)
#define NOW 1800000000

static void test_expiry_not_told_never_ends(void **state) {
	(void) state;
	assert_false(expiry_is_over(0, NOW));
	assert_int_equal(expiry_warning_days(0, NOW), -1);
}

static void test_expiry_with_less_than_a_minute_left_is_over(void **state) {
	(void) state;
	assert_false(expiry_is_over(NOW + 60, NOW));
	assert_true(expiry_is_over(NOW + 59, NOW));
	assert_true(expiry_is_over(NOW, NOW));
	assert_true(expiry_is_over(1, NOW));
}

static void test_expiry_warns_from_the_fourteenth_day_on(void **state) {
	(void) state;
	assert_int_equal(expiry_warning_days(NOW + 14 * DAY + 1, NOW), -1);
	assert_int_equal(expiry_warning_days(NOW + 14 * DAY, NOW), 14);
	assert_int_equal(expiry_warning_days(NOW + 7 * DAY, NOW), 7);
	assert_int_equal(expiry_warning_days(NOW + 3 * DAY + 5, NOW), 3);
	assert_int_equal(expiry_warning_days(NOW + DAY, NOW), 1);
	assert_int_equal(expiry_warning_days(NOW + DAY - 1, NOW), 0);
	assert_int_equal(expiry_warning_days(NOW - 5 * DAY, NOW), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expiry_not_told_never_ends),
		cmocka_unit_test(test_expiry_with_less_than_a_minute_left_is_over),
		cmocka_unit_test(test_expiry_warns_from_the_fourteenth_day_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
