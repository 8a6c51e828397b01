#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/fields.h"
#include "agent/store/cipher.h"
#include "agent/store/image.h"
#include "agent/store/seal.h"
#include "protocol/secret.h"

/* Tags of the header, as in seal.c: they lie in people's files and never change. */
enum {
	TAG_FORMAT = 1,
	TAG_NAME = 2,
	TAG_PASSPHRASE_SALT = 32,
	TAG_PASSPHRASE_OPSLIMIT = 33,
	TAG_PASSPHRASE_MEMLIMIT = 34,
};

#define TOKEN "cio-the-token-of-the-test"

static const uint8_t id[IMAGE_ID_SIZE] = "a record's id";
static const uint8_t other_id[IMAGE_ID_SIZE] = "another's id";

struct scene {
	struct secret *slot_key;
	struct seal *seal;
	/* A record with tags. */
	uint8_t *record;
	size_t size;
};

static struct secret *new_key(uint8_t byte) {
	struct secret *key = NULL;

	assert_int_equal(secret_new(SEAL_KEY_SIZE, &key), 0);
	memset(secret_bytes(key), byte, SEAL_KEY_SIZE);
	return key;
}

static struct seal *new_seal(const struct secret *slot_key) {
	struct seal *seal = NULL;
	struct kdf kdf;

	kdf_init(&kdf);
	assert_int_equal(seal_new(&kdf, slot_key, &seal), 0);
	return seal;
}

static void encrypt(const struct seal *seal, uint8_t **ret, size_t *ret_size) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	uint8_t tags[SEAL_TAGS_SIZE];

	seal_tags(seal, "https://r.example", "default", tags);
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put_string(fields, 1, TOKEN), 0);
	assert_int_equal(seal_encrypt(seal, id, tags, fields, ret, ret_size), 0);
}

static int scene_up(void **state) {
	static struct scene scene;

	if (sodium_init() < 0)
		return -1;
	scene.slot_key = new_key(0x11);
	scene.seal = new_seal(scene.slot_key);
	encrypt(scene.seal, &scene.record, &scene.size);
	*state = &scene;
	return 0;
}

static int scene_down(void **state) {
	struct scene *scene = *state;

	free(scene->record);
	seal_free(scene->seal);
	secret_free(scene->slot_key);
	return 0;
}

/* Opens a copy of exactly that size. */
static int decrypt(
	const struct seal *seal, const uint8_t *record_id, const uint8_t *bytes, size_t size) {
	_cleanup_(freep) uint8_t *copy = malloc(size > 0 ? size : 1);
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(freep) char *text = NULL;
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	r = seal_decrypt(seal, record_id, copy, size, &fields);
	if (r < 0) {
		assert_null(fields);
		return r;
	}
	assert_int_equal(fields_get_string(fields, 1, &text), 0);
	assert_string_equal(text, TOKEN);
	return 0;
}

/* What a store does with a header: reads it, opens it, opens a record. The first error. */
static int open_all(const struct scene *scene, const uint8_t *header, size_t size) {
	_cleanup_(freep) uint8_t *copy = malloc(size > 0 ? size : 1);
	_cleanup_(seal_freep) struct seal *seal = NULL;
	int r;

	assert_non_null(copy);
	memcpy(copy, header, size);
	r = seal_read(copy, size, &seal);
	if (r < 0) {
		assert_true(r == -EBADMSG || r == -ENOTSUP);
		assert_null(seal);
		return r;
	}
	assert_false(seal_is_open(seal));
	r = seal_open(seal, scene->slot_key);
	if (r < 0) {
		assert_int_equal(r, -EKEYREJECTED);
		assert_false(seal_is_open(seal));
		return r;
	}
	r = decrypt(seal, id, scene->record, scene->size);
	if (r < 0)
		assert_int_equal(r, -EBADMSG);
	return r;
}

static void test_seal_opens_with_its_key(void **state) {
	struct scene *scene = *state;
	size_t size;
	const uint8_t *header = seal_header(scene->seal, &size);

	assert_true(seal_is_open(scene->seal));
	assert_int_equal(decrypt(scene->seal, id, scene->record, scene->size), 0);
	assert_int_equal(open_all(scene, header, size), 0);
}

static void test_seal_tells_how_the_key_is_made(void **state) {
	struct scene *scene = *state;
	const struct kdf *kdf = seal_kdf(scene->seal);
	_cleanup_(seal_freep) struct seal *read = NULL;
	size_t size;
	const uint8_t *header = seal_header(scene->seal, &size);

	assert_int_equal(kdf->opslimit, crypto_pwhash_argon2id_OPSLIMIT_MODERATE);
	assert_int_equal(kdf->memlimit, crypto_pwhash_argon2id_MEMLIMIT_MODERATE);
	assert_int_equal(seal_read(header, size, &read), 0);
	assert_memory_equal(seal_kdf(read)->salt, kdf->salt, SEAL_SALT_SIZE);
	assert_int_equal(seal_kdf(read)->opslimit, kdf->opslimit);
	assert_int_equal(seal_kdf(read)->memlimit, kdf->memlimit);
}

static void test_seal_rejects_a_wrong_key(void **state) {
	struct scene *scene = *state;

	seal_close(scene->seal);
	for (size_t bit = 0; bit < 8 * SEAL_KEY_SIZE; bit++) {
		_cleanup_(secret_freep) struct secret *wrong = new_key(0x11);

		secret_bytes(wrong)[bit / 8] ^= (uint8_t) (1u << bit % 8);
		assert_int_equal(seal_check(scene->seal, wrong), -EKEYREJECTED);
		assert_int_equal(seal_open(scene->seal, wrong), -EKEYREJECTED);
		assert_false(seal_is_open(scene->seal));
	}
	_cleanup_(secret_freep) struct secret *short_key = new_key(0x11);
	secret_shrink(short_key, SEAL_KEY_SIZE - 1);
	assert_int_equal(seal_open(scene->seal, short_key), -EKEYREJECTED);
	assert_int_equal(seal_open(scene->seal, scene->slot_key), 0);
}

static void test_seal_check_changes_nothing(void **state) {
	struct scene *scene = *state;
	_cleanup_(secret_freep) struct secret *wrong = new_key(0x12);

	assert_int_equal(seal_check(scene->seal, wrong), -EKEYREJECTED);
	assert_true(seal_is_open(scene->seal));
	seal_close(scene->seal);
	assert_int_equal(seal_check(scene->seal, scene->slot_key), 0);
	assert_false(seal_is_open(scene->seal));
}

static void test_seal_closed_gives_nothing(void **state) {
	struct scene *scene = *state;
	_cleanup_(fields_freep) struct fields *fields = NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;

	seal_close(scene->seal);
	assert_int_equal(decrypt(scene->seal, id, scene->record, scene->size), -ENOKEY);
	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(seal_encrypt(scene->seal, id, NULL, fields, &bytes, &size), -ENOKEY);
	assert_null(bytes);
}

static void test_seal_without_a_slot_is_closed_for_good(void **state) {
	struct scene *scene = *state;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	_cleanup_(freep) uint8_t *record = NULL;
	size_t size;

	assert_int_equal(seal_new(NULL, NULL, &seal), 0);
	assert_null(seal_kdf(seal));
	encrypt(seal, &record, &size);
	assert_int_equal(decrypt(seal, id, record, size), 0);
	seal_close(seal);
	assert_int_equal(seal_open(seal, scene->slot_key), -EKEYREJECTED);
	assert_int_equal(decrypt(seal, id, record, size), -ENOKEY);
}

/* A flipped bit may make the header unreadable, the key wrong, or the records: never nothing. */
static void test_seal_with_any_header_bit_flipped_never_opens_silently(void **state) {
	struct scene *scene = *state;
	size_t size, n_read = 0;
	const uint8_t *header = seal_header(scene->seal, &size);
	_cleanup_(freep) uint8_t *forged = malloc(size);

	assert_non_null(forged);
	memcpy(forged, header, size);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		int r;

		forged[bit / 8] ^= (uint8_t) (1u << bit % 8);
		r = open_all(scene, forged, size);
		assert_true(r < 0);
		n_read += r == -EKEYREJECTED;
		forged[bit / 8] ^= (uint8_t) (1u << bit % 8);
	}
	/* Salt, nonce and wrapped key at least are read, and then reject the key. */
	assert_true(n_read >= 8 * (16 + 24 + 48));
	assert_int_equal(open_all(scene, forged, size), 0);
}

static void test_seal_with_a_header_cut_or_longer_never_opens_silently(void **state) {
	struct scene *scene = *state;
	size_t size;
	const uint8_t *header = seal_header(scene->seal, &size);
	_cleanup_(freep) uint8_t *longer = calloc(1, size + 64);

	assert_non_null(longer);
	memcpy(longer, header, size);
	for (size_t n = 0; n < size + 64; n++)
		assert_int_equal(open_all(scene, longer, n) < 0, n != size);
	/* An empty field with a tag of tomorrow is well-formed, and still not this header. */
	longer[size] = 200;
	assert_int_equal(open_all(scene, longer, size + 5), -EBADMSG);
}

/* The header with one number or value put in place of another. */
static struct fields *forge(const struct seal *seal, uint8_t forged, const void *value, size_t n) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct fields *copy = NULL;
	size_t size;
	const uint8_t *header = seal_header(seal, &size);

	assert_int_equal(fields_parse(header, size, &fields), 0);
	assert_int_equal(fields_new(&copy), 0);
	for (unsigned tag = 0; tag <= UINT8_MAX; tag++) {
		const uint8_t *bytes;

		if (tag == forged)
			assert_int_equal(fields_put(copy, (uint8_t) tag, value, n), 0);
		else if (fields_get(fields, (uint8_t) tag, &bytes, &size) == 0)
			assert_int_equal(fields_put(copy, (uint8_t) tag, bytes, size), 0);
	}
	return copy;
}

static int read_with_number(const struct seal *seal, uint8_t tag, uint64_t value) {
	uint8_t bytes[8];

	for (size_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (value >> 8 * i);
	_cleanup_(fields_freep) struct fields *fields = forge(seal, tag, bytes, sizeof(bytes));
	_cleanup_(seal_freep) struct seal *read = NULL;

	return seal_read(fields_bytes(fields), fields_size(fields), &read);
}

static void test_seal_bounds_what_argon2_may_cost(void **state) {
	static const uint64_t bad_memory[] = {
		0, 1, 8191, SEAL_MEMLIMIT_MAX + 1, (uint64_t) 1 << 40, UINT64_MAX, INT64_MAX};
	static const uint64_t good_memory[] = {8192, (uint64_t) 256 << 20, SEAL_MEMLIMIT_MAX};
	static const uint64_t bad_passes[] = {0, 11, 1000, UINT64_MAX, (uint64_t) 1 << 32};
	const struct seal *seal = ((struct scene *) *state)->seal;

	assert_true(SEAL_MEMLIMIT_MAX == (uint64_t) 1 << 30);
	for (size_t i = 0; i < sizeof(bad_memory) / sizeof(bad_memory[0]); i++)
		assert_int_equal(
			read_with_number(seal, TAG_PASSPHRASE_MEMLIMIT, bad_memory[i]), -EBADMSG);
	for (size_t i = 0; i < sizeof(good_memory) / sizeof(good_memory[0]); i++)
		assert_int_equal(
			read_with_number(seal, TAG_PASSPHRASE_MEMLIMIT, good_memory[i]), 0);
	for (size_t i = 0; i < sizeof(bad_passes) / sizeof(bad_passes[0]); i++)
		assert_int_equal(
			read_with_number(seal, TAG_PASSPHRASE_OPSLIMIT, bad_passes[i]), -EBADMSG);
	assert_int_equal(read_with_number(seal, TAG_PASSPHRASE_OPSLIMIT, 1), 0);
	assert_int_equal(read_with_number(seal, TAG_PASSPHRASE_OPSLIMIT, 10), 0);
}

/* Cheaper parameters that are allowed do not make the key of a slot that was made with others. */
static void test_seal_slot_is_bound_to_how_its_key_is_made(void **state) {
	static const uint8_t tags[] = {
		TAG_NAME, TAG_PASSPHRASE_SALT, TAG_PASSPHRASE_OPSLIMIT, TAG_PASSPHRASE_MEMLIMIT};
	static const uint8_t other[CIPHER_SALT_SIZE] = {0, 0x40}; /* As a number: 16384. */
	static const uint8_t one[8] = {1};
	const struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(tags); i++) {
		_cleanup_(fields_freep) struct fields *fields = NULL;
		_cleanup_(seal_freep) struct seal *read = NULL;

		if (tags[i] == TAG_PASSPHRASE_OPSLIMIT)
			fields = forge(scene->seal, tags[i], one, sizeof(one));
		else
			fields = forge(scene->seal, tags[i], other,
				tags[i] == TAG_PASSPHRASE_MEMLIMIT ? 8 : sizeof(other));
		assert_int_equal(seal_read(fields_bytes(fields), fields_size(fields), &read), 0);
		assert_int_equal(seal_open(read, scene->slot_key), -EKEYREJECTED);
	}
}

static void test_seal_of_a_newer_format_is_told_from_damage(void **state) {
	const struct seal *seal = ((struct scene *) *state)->seal;

	assert_int_equal(read_with_number(seal, TAG_FORMAT, 2), -ENOTSUP);
	assert_int_equal(read_with_number(seal, TAG_FORMAT, UINT64_MAX), -ENOTSUP);
	assert_int_equal(read_with_number(seal, TAG_FORMAT, 0), -EBADMSG);
}

static void test_seal_refuses_values_of_another_size(void **state) {
	const struct seal *seal = ((struct scene *) *state)->seal;
	static const uint8_t bytes[64];

	for (unsigned tag = TAG_FORMAT; tag <= TAG_PASSPHRASE_SALT + 4; tag++) {
		if (tag == 4)
			tag = TAG_PASSPHRASE_SALT;
		for (size_t size = 0; size <= sizeof(bytes); size += 7) {
			_cleanup_(fields_freep) struct fields *fields =
				forge(seal, (uint8_t) tag, bytes, size);
			_cleanup_(seal_freep) struct seal *read = NULL;

			assert_int_equal(
				seal_read(fields_bytes(fields), fields_size(fields), &read),
				-EBADMSG);
		}
	}
}

static void test_seal_record_with_any_bit_flipped_is_refused(void **state) {
	struct scene *scene = *state;

	for (size_t bit = 0; bit < 8 * scene->size; bit++) {
		scene->record[bit / 8] ^= (uint8_t) (1u << bit % 8);
		assert_int_equal(decrypt(scene->seal, id, scene->record, scene->size), -EBADMSG);
		scene->record[bit / 8] ^= (uint8_t) (1u << bit % 8);
	}
}

static void test_seal_record_cut_or_longer_is_refused(void **state) {
	struct scene *scene = *state;
	_cleanup_(freep) uint8_t *longer = calloc(1, scene->size + 40);

	assert_non_null(longer);
	memcpy(longer, scene->record, scene->size);
	for (size_t size = 0; size < scene->size + 40; size++)
		assert_int_equal(
			decrypt(scene->seal, id, longer, size), size == scene->size ? 0 : -EBADMSG);
}

static void test_seal_record_under_another_id_is_refused(void **state) {
	struct scene *scene = *state;

	assert_int_equal(decrypt(scene->seal, other_id, scene->record, scene->size), -EBADMSG);
}

static void test_seal_record_of_another_store_is_refused(void **state) {
	struct scene *scene = *state;
	/* With the same passphrase, that is, the same slot key. */
	_cleanup_(seal_freep) struct seal *other = new_seal(scene->slot_key);

	assert_int_equal(decrypt(other, id, scene->record, scene->size), -EBADMSG);
}

/* The tags stand in the clear, but an account's record cannot pass for another's. */
static void test_seal_record_with_the_tags_of_another_is_refused(void **state) {
	struct scene *scene = *state;
	uint8_t tags[SEAL_TAGS_SIZE];

	seal_tags(scene->seal, "https://evil.example", "default", tags);
	memcpy(scene->record, tags, SEAL_TAGS_SIZE);
	assert_int_equal(decrypt(scene->seal, id, scene->record, scene->size), -EBADMSG);
}

static void test_seal_never_uses_a_nonce_twice(void **state) {
	struct scene *scene = *state;
	_cleanup_(freep) uint8_t *again = NULL;
	size_t size;

	encrypt(scene->seal, &again, &size);
	assert_int_equal(size, scene->size);
	assert_memory_equal(again, scene->record, SEAL_TAGS_SIZE);
	assert_memory_not_equal(again + SEAL_TAGS_SIZE, scene->record + SEAL_TAGS_SIZE, 24);
	assert_memory_not_equal(again + SEAL_TAGS_SIZE + 24, scene->record + SEAL_TAGS_SIZE + 24,
		size - SEAL_TAGS_SIZE - 24);
}

static void test_seal_hides_what_it_seals(void **state) {
	struct scene *scene = *state;

	assert_null(memmem(scene->record, scene->size, TOKEN, strlen(TOKEN)));
	assert_null(memmem(scene->record, scene->size, "r.example", 9));
}

static void test_seal_tags_work_closed_and_tell_accounts_apart(void **state) {
	struct scene *scene = *state;
	static const uint8_t zeros[SEAL_TAG_SIZE];
	uint8_t open[SEAL_TAGS_SIZE], closed[SEAL_TAGS_SIZE], other[SEAL_TAGS_SIZE];

	seal_tags(scene->seal, "ab", "c", open);
	seal_close(scene->seal);
	seal_tags(scene->seal, "ab", "c", closed);
	assert_memory_equal(open, closed, SEAL_TAGS_SIZE);
	seal_tags(scene->seal, "ab", "d", other);
	assert_memory_equal(open, other, SEAL_TAG_SIZE);
	assert_memory_not_equal(open + SEAL_TAG_SIZE, other + SEAL_TAG_SIZE, SEAL_TAG_SIZE);
	seal_tags(scene->seal, "a", "bc", other);
	assert_memory_not_equal(open, other, SEAL_TAG_SIZE);
	assert_memory_not_equal(open + SEAL_TAG_SIZE, other + SEAL_TAG_SIZE, SEAL_TAG_SIZE);
	seal_tags(scene->seal, "ab", NULL, other);
	assert_memory_equal(open, other, SEAL_TAG_SIZE);
	assert_memory_equal(other + SEAL_TAG_SIZE, zeros, SEAL_TAG_SIZE);
}

/* Who has two stores cannot see that they hold the same registry. */
static void test_seal_tags_of_two_stores_differ(void **state) {
	struct scene *scene = *state;
	_cleanup_(seal_freep) struct seal *other = new_seal(scene->slot_key);
	uint8_t ours[SEAL_TAGS_SIZE], theirs[SEAL_TAGS_SIZE];

	seal_tags(scene->seal, "https://r.example", "default", ours);
	seal_tags(other, "https://r.example", "default", theirs);
	assert_memory_not_equal(ours, theirs, SEAL_TAG_SIZE);
	assert_memory_not_equal(ours + SEAL_TAG_SIZE, theirs + SEAL_TAG_SIZE, SEAL_TAG_SIZE);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, scene_up, scene_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_seal_opens_with_its_key),
		CASE(test_seal_tells_how_the_key_is_made),
		CASE(test_seal_rejects_a_wrong_key),
		CASE(test_seal_check_changes_nothing),
		CASE(test_seal_closed_gives_nothing),
		CASE(test_seal_without_a_slot_is_closed_for_good),
		CASE(test_seal_with_any_header_bit_flipped_never_opens_silently),
		CASE(test_seal_with_a_header_cut_or_longer_never_opens_silently),
		CASE(test_seal_bounds_what_argon2_may_cost),
		CASE(test_seal_slot_is_bound_to_how_its_key_is_made),
		CASE(test_seal_of_a_newer_format_is_told_from_damage),
		CASE(test_seal_refuses_values_of_another_size),
		CASE(test_seal_record_with_any_bit_flipped_is_refused),
		CASE(test_seal_record_cut_or_longer_is_refused),
		CASE(test_seal_record_under_another_id_is_refused),
		CASE(test_seal_record_of_another_store_is_refused),
		CASE(test_seal_record_with_the_tags_of_another_is_refused),
		CASE(test_seal_never_uses_a_nonce_twice),
		CASE(test_seal_hides_what_it_seals),
		CASE(test_seal_tags_work_closed_and_tell_accounts_apart),
		CASE(test_seal_tags_of_two_stores_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
