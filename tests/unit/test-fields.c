#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/fields.h"
#include "protocol/secret.h"

/* Tag 1 with "ab", tag 7 with nothing, tag 255 with eight bytes. */
static const uint8_t sample[] = {
	1,
	2,
	0,
	0,
	0,
	'a',
	'b',
	7,
	0,
	0,
	0,
	0,
	255,
	8,
	0,
	0,
	0,
	8,
	7,
	6,
	5,
	4,
	3,
	2,
	1,
};

static void test_fields_has_the_written_form(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_size(fields), 0);
	assert_int_equal(fields_put_string(fields, 1, "ab"), 0);
	assert_int_equal(fields_put(fields, 7, NULL, 0), 0);
	assert_int_equal(fields_put_u64(fields, 255, 0x0102030405060708), 0);
	assert_int_equal(fields_size(fields), sizeof(sample));
	assert_memory_equal(fields_bytes(fields), sample, sizeof(sample));
}

static void test_fields_reads_what_was_written(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(freep) char *text = NULL;
	const uint8_t *bytes;
	size_t size;
	uint64_t number;

	(void) state;
	assert_int_equal(fields_parse(sample, sizeof(sample), &fields), 0);
	assert_int_equal(fields_get_string(fields, 1, &text), 0);
	assert_string_equal(text, "ab");
	assert_int_equal(fields_get(fields, 7, &bytes, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(fields_get_u64(fields, 255, &number), 0);
	assert_true(number == 0x0102030405060708);
}

static void test_fields_tells_absent_from_malformed(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct secret *secret = NULL;
	const uint8_t *bytes = NULL;
	char *text = NULL;
	size_t size = 77;
	uint64_t number = 77;

	(void) state;
	assert_int_equal(fields_parse(sample, sizeof(sample), &fields), 0);
	assert_int_equal(fields_get(fields, 2, &bytes, &size), -ENOENT);
	assert_int_equal(fields_get_string(fields, 2, &text), -ENOENT);
	assert_int_equal(fields_get_u64(fields, 2, &number), -ENOENT);
	assert_int_equal(fields_get_secret(fields, 2, &secret), -ENOENT);
	assert_int_equal(fields_get_u64(fields, 1, &number), -EBADMSG);
	assert_int_equal(fields_get_secret(fields, 7, &secret), -EBADMSG);
	assert_null(bytes);
	assert_null(text);
	assert_null(secret);
	assert_int_equal(size, 77);
	assert_int_equal(number, 77);
}

static void test_fields_gives_no_string_with_nul(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	char *text = NULL;

	(void) state;
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put(fields, 1, "a\0b", 3), 0);
	assert_int_equal(fields_get_string(fields, 1, &text), -EBADMSG);
	assert_null(text);
}

static void test_fields_keeps_secrets(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(secret_freep) struct secret *in = NULL;
	_cleanup_(secret_freep) struct secret *out = NULL;

	(void) state;
	assert_int_equal(secret_from("s\0cret", 6, &in), 0);
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put_secret(fields, 9, in), 0);
	assert_int_equal(fields_get_secret(fields, 9, &out), 0);
	assert_true(secret_equal(in, out));
}

static void test_fields_puts_no_null_string(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put_string(fields, 1, NULL), 0);
	assert_int_equal(fields_size(fields), 0);
}

static void test_fields_refuses_to_put_a_tag_twice(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put_string(fields, 1, "a"), 0);
	assert_int_equal(fields_put_string(fields, 1, "b"), -EEXIST);
	assert_int_equal(fields_size(fields), 6);
}

static void test_fields_stops_at_its_limit(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	static const uint8_t large[FIELDS_MAX];

	(void) state;
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put(fields, 1, large, FIELDS_MAX), -E2BIG);
	assert_int_equal(fields_put(fields, 1, large, SIZE_MAX), -E2BIG);
	assert_int_equal(fields_put(fields, 1, large, FIELDS_MAX - 4), -E2BIG);
	assert_int_equal(fields_put(fields, 1, large, FIELDS_MAX - 5), 0);
	assert_int_equal(fields_size(fields), FIELDS_MAX);
	assert_int_equal(fields_put(fields, 2, NULL, 0), -E2BIG);
}

/* A value that is borrowed from the same set, while putting it makes the set grow. */
static void test_fields_copies_its_own_value_while_it_grows(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	const uint8_t *first, *second;
	size_t first_size, second_size;
	char value[300];

	(void) state;
	memset(value, 'x', sizeof(value));
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put(fields, 1, value, sizeof(value)), 0);
	assert_int_equal(fields_get(fields, 1, &first, &first_size), 0);
	assert_int_equal(fields_put(fields, 2, first, first_size), 0);
	assert_int_equal(fields_get(fields, 2, &second, &second_size), 0);
	assert_int_equal(second_size, sizeof(value));
	assert_memory_equal(second, value, sizeof(value));
}

static void test_fields_parse_takes_nothing_at_all(void **state) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_parse(NULL, 0, &fields), 0);
	assert_int_equal(fields_size(fields), 0);
	assert_int_equal(fields_put_string(fields, 1, "a"), 0);
}

static void test_fields_parse_refuses_every_cut(void **state) {
	(void) state;
	for (size_t size = 1; size < sizeof(sample); size++) {
		struct fields *fields = NULL;
		int r = fields_parse(sample, size, &fields);

		if (size == 7 || size == 12) { /* Between two fields it is whole. */
			assert_int_equal(r, 0);
			fields = fields_free(fields);
		} else {
			assert_int_equal(r, -EBADMSG);
		}
		assert_null(fields);
	}
}

static void test_fields_parse_refuses_a_size_beyond_the_end(void **state) {
	static const uint8_t one_more[] = {1, 3, 0, 0, 0, 'a', 'b'};
	static const uint8_t huge[] = {1, 0xff, 0xff, 0xff, 0xff, 'a', 'b'};
	struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_parse(one_more, sizeof(one_more), &fields), -EBADMSG);
	assert_int_equal(fields_parse(huge, sizeof(huge), &fields), -EBADMSG);
	assert_null(fields);
}

static void test_fields_parse_refuses_a_tag_twice(void **state) {
	static const uint8_t twice[] = {1, 1, 0, 0, 0, 'a', 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 'a'};
	struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_parse(twice, sizeof(twice), &fields), -EBADMSG);
	assert_null(fields);
}

static void test_fields_parse_refuses_more_than_its_limit(void **state) {
	static const uint8_t large[FIELDS_MAX + 1];
	struct fields *fields = NULL;

	(void) state;
	assert_int_equal(fields_parse(large, sizeof(large), &fields), -E2BIG);
	assert_null(fields);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_has_the_written_form),
		cmocka_unit_test(test_fields_reads_what_was_written),
		cmocka_unit_test(test_fields_tells_absent_from_malformed),
		cmocka_unit_test(test_fields_gives_no_string_with_nul),
		cmocka_unit_test(test_fields_keeps_secrets),
		cmocka_unit_test(test_fields_puts_no_null_string),
		cmocka_unit_test(test_fields_refuses_to_put_a_tag_twice),
		cmocka_unit_test(test_fields_stops_at_its_limit),
		cmocka_unit_test(test_fields_copies_its_own_value_while_it_grows),
		cmocka_unit_test(test_fields_parse_takes_nothing_at_all),
		cmocka_unit_test(test_fields_parse_refuses_every_cut),
		cmocka_unit_test(test_fields_parse_refuses_a_size_beyond_the_end),
		cmocka_unit_test(test_fields_parse_refuses_a_tag_twice),
		cmocka_unit_test(test_fields_parse_refuses_more_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
