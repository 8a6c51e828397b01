#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/store/image.h"

/* Where things lie in the encoded sample. */
#define MAGIC "cpub-agent vault\n"
#define FORMAT_AT (sizeof(MAGIC) - 1)
#define HEADER_SIZE_AT (FORMAT_AT + 4)
#define HEADER "the header"
#define N_RECORDS_AT (HEADER_SIZE_AT + 4 + sizeof(HEADER) - 1)
#define RECORD_SIZE_AT (N_RECORDS_AT + 4 + IMAGE_ID_SIZE)
#define CHECKSUM_SIZE 32

static const uint8_t first_id[IMAGE_ID_SIZE] = "first record id";
static const uint8_t second_id[IMAGE_ID_SIZE] = "second id, same";

static struct image *sample_image(void) {
	struct image *image = NULL;

	assert_int_equal(image_new(&image), 0);
	assert_int_equal(image_set_header(image, HEADER, sizeof(HEADER) - 1), 0);
	assert_int_equal(image_put(image, first_id, "alpha", 5), 0);
	assert_int_equal(image_put(image, second_id, "", 0), 0);
	return image;
}

struct encoded {
	uint8_t *bytes;
	size_t size;
};

static void encoded_done(struct encoded *encoded) {
	free(encoded->bytes);
}

static struct encoded sample(void) {
	_cleanup_(image_freep) struct image *image = sample_image();
	struct encoded encoded;

	assert_int_equal(image_encode(image, &encoded.bytes, &encoded.size), 0);
	return encoded;
}

/* Makes the checksum true again: what a forger does. */
static void reseal(struct encoded *encoded) {
	size_t size = encoded->size - CHECKSUM_SIZE;

	assert_int_equal(crypto_generichash(encoded->bytes + size, CHECKSUM_SIZE, encoded->bytes,
				 size, NULL, 0),
		0);
}

static void put_u32(struct encoded *encoded, size_t at, uint32_t value) {
	uint32_t word = htole32(value);

	memcpy(encoded->bytes + at, &word, sizeof(word));
	reseal(encoded);
}

/* Decodes a copy of exactly that size, so that the sanitizer sees each byte read past the end. */
static int decode(const uint8_t *bytes, size_t size, struct image **ret) {
	_cleanup_(freep) uint8_t *copy = malloc(size > 0 ? size : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	return image_decode(copy, size, ret);
}

static void refuse(const struct encoded *encoded, int error) {
	struct image *image = NULL;

	assert_int_equal(decode(encoded->bytes, encoded->size, &image), error);
	assert_null(image);
}

static void test_image_survives_encoding(void **state) {
	_cleanup_(encoded_done) struct encoded encoded = sample();
	_cleanup_(image_freep) struct image *image = NULL;

	(void) state;
	assert_int_equal(decode(encoded.bytes, encoded.size, &image), 0);
	assert_int_equal(image->header_size, sizeof(HEADER) - 1);
	assert_memory_equal(image->header, HEADER, sizeof(HEADER) - 1);
	assert_int_equal(image->n_records, 2);
	assert_int_equal(image_find(image, first_id)->size, 5);
	assert_memory_equal(image_find(image, first_id)->bytes, "alpha", 5);
	assert_int_equal(image_find(image, second_id)->size, 0);
}

/* The form on disk is a promise to the files that people have. */
static void test_image_has_the_written_form(void **state) {
	static const uint8_t form[] = MAGIC "\1\0\0\0"
					    "\12\0\0\0" HEADER "\2\0\0\0"
					    "first record id\0"
					    "\5\0\0\0"
					    "alpha"
					    "second id, same\0"
					    "\0\0\0";
	_cleanup_(encoded_done) struct encoded encoded = sample();
	uint8_t checksum[CHECKSUM_SIZE];

	(void) state;
	assert_int_equal(encoded.size, sizeof(form) + CHECKSUM_SIZE);
	assert_memory_equal(encoded.bytes, form, sizeof(form));
	assert_int_equal(
		crypto_generichash(checksum, CHECKSUM_SIZE, form, sizeof(form), NULL, 0), 0);
	assert_memory_equal(encoded.bytes + sizeof(form), checksum, CHECKSUM_SIZE);
}

static void test_image_without_anything_survives_encoding(void **state) {
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(image_freep) struct image *again = NULL;
	_cleanup_(encoded_done) struct encoded encoded = {0};

	(void) state;
	assert_int_equal(image_new(&image), 0);
	assert_int_equal(image_set_header(image, "", 0), 0);
	assert_int_equal(image_encode(image, &encoded.bytes, &encoded.size), 0);
	assert_int_equal(decode(encoded.bytes, encoded.size, &again), 0);
	assert_int_equal(again->header_size, 0);
	assert_int_equal(again->n_records, 0);
}

static void test_image_put_replaces_and_erase_removes(void **state) {
	_cleanup_(image_freep) struct image *image = sample_image();
	static const uint8_t absent[IMAGE_ID_SIZE] = "absent";

	(void) state;
	assert_int_equal(image_put(image, first_id, "beta!!", 6), 0);
	assert_int_equal(image->n_records, 2);
	assert_memory_equal(image_find(image, first_id)->bytes, "beta!!", 6);
	assert_int_equal(image_erase(image, absent), -ENOENT);
	assert_int_equal(image_erase(image, first_id), 0);
	assert_null(image_find(image, first_id));
	assert_non_null(image_find(image, second_id));
	assert_int_equal(image_erase(image, second_id), 0);
	assert_int_equal(image->n_records, 0);
}

static void test_image_copy_is_a_copy(void **state) {
	_cleanup_(image_freep) struct image *image = sample_image();
	_cleanup_(image_freep) struct image *copy = NULL;

	(void) state;
	assert_int_equal(image_copy(image, &copy), 0);
	assert_int_equal(image_put(image, first_id, "other", 5), 0);
	assert_int_equal(image_erase(image, second_id), 0);
	assert_memory_equal(image_find(copy, first_id)->bytes, "alpha", 5);
	assert_non_null(image_find(copy, second_id));
	assert_memory_equal(copy->header, HEADER, sizeof(HEADER) - 1);
}

static void test_image_equals_in_whatever_order(void **state) {
	_cleanup_(image_freep) struct image *image = sample_image();
	_cleanup_(image_freep) struct image *other = NULL;

	(void) state;
	assert_int_equal(image_new(&other), 0);
	assert_int_equal(image_set_header(other, HEADER, sizeof(HEADER) - 1), 0);
	assert_int_equal(image_put(other, second_id, "", 0), 0);
	assert_false(image_equals(image, other));
	assert_int_equal(image_put(other, first_id, "alpha", 5), 0);
	assert_true(image_equals(image, other));
	assert_int_equal(image_put(other, first_id, "alphb", 5), 0);
	assert_false(image_equals(image, other));
	assert_int_equal(image_put(other, first_id, "alpha", 5), 0);
	other->records[0].id[0] ^= 1;
	assert_false(image_equals(image, other));
}

/* It would point at records that are no more. */
static void test_image_has_no_index_after_a_change(void **state) {
	_cleanup_(image_freep) struct image *image = sample_image();
	_cleanup_(image_freep) struct image *copy = NULL;

	(void) state;
	assert_int_equal(image_index(image), 0);
	assert_non_null(image->index);
	assert_int_equal(image_copy(image, &copy), 0);
	assert_null(copy->index);
	assert_int_equal(image_put(image, first_id, "beta", 4), 0);
	assert_null(image->index);
	assert_int_equal(image_index(image), 0);
	assert_int_equal(image_erase(image, first_id), 0);
	assert_null(image->index);
}

static void test_image_takes_no_more_than_its_limits(void **state) {
	_cleanup_(image_freep) struct image *image = sample_image();
	_cleanup_(freep) uint8_t *large = calloc(1, IMAGE_RECORD_SIZE_MAX + 1);

	(void) state;
	assert_non_null(large);
	assert_int_equal(image_put(image, first_id, large, IMAGE_RECORD_SIZE_MAX + 1), -E2BIG);
	assert_int_equal(image_set_header(image, large, IMAGE_RECORD_SIZE_MAX + 1), -E2BIG);
	assert_memory_equal(image_find(image, first_id)->bytes, "alpha", 5);
	assert_memory_equal(image->header, HEADER, sizeof(HEADER) - 1);
	assert_int_equal(image_put(image, first_id, large, IMAGE_RECORD_SIZE_MAX), 0);
}

static void test_image_with_any_bit_flipped_is_damaged(void **state) {
	_cleanup_(encoded_done) struct encoded encoded = sample();

	(void) state;
	for (size_t bit = 0; bit < 8 * encoded.size; bit++) {
		encoded.bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
		refuse(&encoded, -EBADMSG);
		encoded.bytes[bit / 8] ^= (uint8_t) (1u << bit % 8);
	}
}

/* The checksum has no key: a forger makes it fit. Then the structure has to hold by itself. */
static void test_image_with_any_byte_forged_is_taken_as_it_is_or_refused(void **state) {
	_cleanup_(encoded_done) struct encoded encoded = sample();
	size_t n_taken = 0, n_refused = 0;

	(void) state;
	for (size_t at = 0; at < encoded.size - CHECKSUM_SIZE; at++) {
		uint8_t original = encoded.bytes[at];

		for (unsigned value = 0; value <= UINT8_MAX; value++) {
			_cleanup_(image_freep) struct image *image = NULL;
			_cleanup_(encoded_done) struct encoded again = {0};

			encoded.bytes[at] = (uint8_t) value;
			reseal(&encoded);
			int r = decode(encoded.bytes, encoded.size, &image);
			if (r < 0) {
				assert_true(r == -EBADMSG || r == -ENOTSUP);
				n_refused++;
				continue;
			}
			/* There is one way to write an image. */
			assert_int_equal(image_encode(image, &again.bytes, &again.size), 0);
			assert_int_equal(again.size, encoded.size);
			assert_memory_equal(again.bytes, encoded.bytes, again.size);
			n_taken++;
		}
		encoded.bytes[at] = original;
	}
	assert_true(n_taken > 1000);
	assert_true(n_refused > 1000);
}

static void test_image_cut_at_any_length_is_damaged(void **state) {
	_cleanup_(encoded_done) struct encoded encoded = sample();

	(void) state;
	for (size_t size = 0; size < encoded.size; size++) {
		_cleanup_(encoded_done) struct encoded cut = {malloc(encoded.size), size};

		assert_non_null(cut.bytes);
		memcpy(cut.bytes, encoded.bytes, encoded.size);
		refuse(&cut, -EBADMSG);
		if (size < CHECKSUM_SIZE)
			continue;
		reseal(&cut);
		refuse(&cut, -EBADMSG);
	}
}

static void test_image_with_bytes_behind_it_is_damaged(void **state) {
	(void) state;
	for (size_t n = 1; n < 100; n++) {
		_cleanup_(encoded_done) struct encoded encoded = sample();
		_cleanup_(encoded_done) struct encoded longer = {
			calloc(1, encoded.size + n), encoded.size + n};

		assert_non_null(longer.bytes);
		memcpy(longer.bytes, encoded.bytes, encoded.size);
		refuse(&longer, -EBADMSG);
		reseal(&longer);
		refuse(&longer, -EBADMSG);
	}
}

/* None of them may cost the memory that it claims. */
static void test_image_refuses_forged_counts_and_sizes(void **state) {
	static const uint32_t counts[] = {0, 1, 3, 1000, IMAGE_RECORDS_MAX, IMAGE_RECORDS_MAX + 1,
		INT32_MAX, (uint32_t) INT32_MAX + 1, UINT32_MAX};
	static const uint32_t sizes[] = {0, 4, 6, IMAGE_RECORD_SIZE_MAX, IMAGE_RECORD_SIZE_MAX + 1,
		INT32_MAX, (uint32_t) INT32_MAX + 1, UINT32_MAX, UINT32_MAX - 4};

	(void) state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		_cleanup_(encoded_done) struct encoded encoded = sample();

		put_u32(&encoded, N_RECORDS_AT, counts[i]);
		refuse(&encoded, -EBADMSG);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		_cleanup_(encoded_done) struct encoded header = sample();
		_cleanup_(encoded_done) struct encoded record = sample();

		put_u32(&header, HEADER_SIZE_AT, sizes[i]);
		refuse(&header, -EBADMSG);
		put_u32(&record, RECORD_SIZE_AT, sizes[i]);
		refuse(&record, -EBADMSG);
	}
}

static void test_image_with_an_id_twice_is_damaged(void **state) {
	_cleanup_(image_freep) struct image *image = sample_image();
	_cleanup_(encoded_done) struct encoded encoded = {0};

	(void) state;
	memcpy(image->records[1].id, first_id, IMAGE_ID_SIZE);
	assert_int_equal(image_encode(image, &encoded.bytes, &encoded.size), 0);
	refuse(&encoded, -EBADMSG);
}

static void test_image_of_a_newer_format_is_told_from_damage(void **state) {
	_cleanup_(encoded_done) struct encoded encoded = sample();

	(void) state;
	put_u32(&encoded, FORMAT_AT, 2);
	refuse(&encoded, -ENOTSUP);
	put_u32(&encoded, FORMAT_AT, UINT32_MAX);
	refuse(&encoded, -ENOTSUP);
	put_u32(&encoded, FORMAT_AT, 0);
	refuse(&encoded, -EBADMSG);
}

static void test_image_of_another_program_is_damaged(void **state) {
	_cleanup_(encoded_done) struct encoded encoded = sample();

	(void) state;
	encoded.bytes[0] = 'C';
	reseal(&encoded);
	refuse(&encoded, -EBADMSG);
}

static int start(void **state) {
	(void) state;
	return sodium_init() < 0 ? -1 : 0;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_survives_encoding),
		cmocka_unit_test(test_image_has_the_written_form),
		cmocka_unit_test(test_image_without_anything_survives_encoding),
		cmocka_unit_test(test_image_put_replaces_and_erase_removes),
		cmocka_unit_test(test_image_copy_is_a_copy),
		cmocka_unit_test(test_image_equals_in_whatever_order),
		cmocka_unit_test(test_image_has_no_index_after_a_change),
		cmocka_unit_test(test_image_takes_no_more_than_its_limits),
		cmocka_unit_test(test_image_with_any_bit_flipped_is_damaged),
		cmocka_unit_test(test_image_with_any_byte_forged_is_taken_as_it_is_or_refused),
		cmocka_unit_test(test_image_cut_at_any_length_is_damaged),
		cmocka_unit_test(test_image_with_bytes_behind_it_is_damaged),
		cmocka_unit_test(test_image_refuses_forged_counts_and_sizes),
		cmocka_unit_test(test_image_with_an_id_twice_is_damaged),
		cmocka_unit_test(test_image_of_a_newer_format_is_told_from_damage),
		cmocka_unit_test(test_image_of_another_program_is_damaged),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
