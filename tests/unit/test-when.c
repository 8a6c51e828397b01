#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/cpub/when.h"

#define HOUR (60 * 60)
#define DAY (24 * HOUR)
#define NOW 1800000000 /* 2027-01-15 08:00 UTC */

static void test_when_takes_spans_and_days(void **state) {
	static const struct {
		const char *text;
		int64_t when;
	} cases[] = {
		{"90d", NOW + 90 * DAY},
		{"12h", NOW + 12 * HOUR},
		{"30min", NOW + 30 * 60},
		{"2w", NOW + 14 * DAY},
		{"1y", NOW + (int64_t) 365 * DAY},
		{"2027-02-20", 1803081600},
		{"2028-02-29", 1835395200},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t when = 0;

		assert_int_equal(when_parse(cases[i].text, NOW, &when), 0);
		assert_int_equal(when, cases[i].when);
	}
}

static void test_when_refuses_other_words_and_the_past(void **state) {
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{"", -EINVAL},
		{"90", -EINVAL},
		{"d", -EINVAL},
		{"-5d", -EINVAL},
		{"90 d", -EINVAL},
		{"90days", -EINVAL},
		{"1234567890d", -EINVAL},
		{"0d", -ERANGE},
		{"999999999y", -ERANGE},
		{"2027-02-30", -EINVAL},
		{"2027-2-3", -EINVAL},
		{"2027- 2- 3", -EINVAL},
		{"2027-02-20T10", -EINVAL},
		{"20270220", -EINVAL},
		{"2027-01-15", -ERANGE},
		{"1999-01-01", -ERANGE},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t when = 7;

		assert_int_equal(when_parse(cases[i].text, NOW, &when), cases[i].error);
		assert_int_equal(when, 7);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when_takes_spans_and_days),
		cmocka_unit_test(test_when_refuses_other_words_and_the_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
