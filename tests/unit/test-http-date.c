#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/work/net/http_date.h"

#define NOW UINT64_C(1752868800) /* Fri, 18 Jul 2025 20:00:00 GMT */
#define DAY 86400u
#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static void test_date_is_read(void **state) {
	static const struct {
		const char *text;
		uint64_t time;
	} cases[] = {
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},
		{"Wed, 01 Mar 2000 00:00:00 GMT", 951868800},
		{"Fri, 18 Jul 2025 20:00:34 GMT", NOW + 34},
		{"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
		{"Mon, 01 Mar 2100 00:00:00 GMT", UINT64_C(4107542400)},
		{"Fri, 31 Dec 9999 23:59:59 GMT", UINT64_C(253402300799)},
	};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint64_t time = 1;
		assert_int_equal(http_date_read(cases[i].text, &time), 0);
		assert_int_equal(time, cases[i].time);
	}
}

static void test_date_of_another_form_is_none(void **state) {
	static const char *const cases[] = {"", "0", "now", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 GMT ",
		" Sun, 06 Nov 1994 08:49:37 GMT", "sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1969 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT", "Mon, 29 Feb 2100 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT", "Sun, -6 Nov 1994 08:49:37 GMT",
		"unM, 06 Nov 1994 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT"};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint64_t time = 1;
		assert_int_equal(http_date_read(cases[i], &time), -EINVAL);
		assert_int_equal(time, 1);
	}
}

static void check_retry(const char *text, uint64_t expected) {
	uint64_t time = 0;

	assert_int_equal(http_retry_after_read(text, NOW, &time), 0);
	assert_int_equal(time, expected);
}

/* Case 63. */
static void test_retry_after_is_a_date_or_seconds(void **state) {
	(void) state;
	check_retry("Fri, 18 Jul 2025 20:00:34 GMT", NOW + 34);
	check_retry("3600", NOW + 3600);
	check_retry("0", NOW);
	check_retry("0060", NOW + 60);
	check_retry("31622400", NOW + 366 * DAY);
	check_retry("Thu, 17 Jul 2025 20:00:00 GMT", NOW - DAY);
}

static void test_age_is_seconds(void **state) {
	const char *const odd[] = {"", "-1", "+1", " 1", "1 ", "1.0", "1s", "123456789", "0x1"};
	uint64_t age;

	(void) state;
	assert_int_equal(http_age_read("0", &age), 0);
	assert_int_equal(age, 0);
	assert_int_equal(http_age_read("12345678", &age), 0);
	assert_int_equal(age, 12345678);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(http_age_read(odd[i], &age), -EINVAL);
}

static void test_retry_after_that_nobody_means_is_none(void **state) {
	static const char *const cases[] = {"", "-1", "+5", "1.5", "1e3", "12 ", "31622401",
		"999999999", "99999999999999999999", "Thu, 17 Jul 2025 19:59:59 GMT",
		"Mon, 20 Jul 2026 20:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "tomorrow"};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint64_t time = 1;
		assert_int_equal(http_retry_after_read(cases[i], NOW, &time), -EINVAL);
		assert_int_equal(time, 1);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_date_is_read),
		cmocka_unit_test(test_date_of_another_form_is_none),
		cmocka_unit_test(test_age_is_seconds),
		cmocka_unit_test(test_retry_after_is_a_date_or_seconds),
		cmocka_unit_test(test_retry_after_that_nobody_means_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
