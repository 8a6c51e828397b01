/* A new data key under a new passphrase: all is carried over, and only the new key opens it. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/fields.h"
#include "agent/store/ledger.h"
#include "agent/store/manifest.h"
#include "protocol/secret.h"
#include "store-suite.h"
#include "vault.h"

#define OTHER_URL "https://other.example/index"

static const char *medium;

/* A store with three accounts of two registries, open. */
static int rekey_up(void **state) {
	struct bench *bench = bench_up(medium);

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	assert_int_equal(bench_put(bench, bench->store, OTHER_URL, "a", "token-c"), 0);
	*state = bench;
	return 0;
}

static int rekey_down(void **state) {
	bench_down(*state);
	return 0;
}

static void assert_holds_all(const struct store *store) {
	assert_int_equal(store_n_accounts(store), 3);
	bench_assert_holds(store, SUITE_URL, "a", "token-a");
	bench_assert_holds(store, SUITE_URL, "b", "token-b");
	bench_assert_holds(store, OTHER_URL, "a", "token-c");
}

static int start_rekey(struct bench *bench) {
	struct kdf kdf;

	kdf_init(&kdf);
	return store_rekey(bench->store, &kdf, bench->wrong_key, bench_done, bench);
}

/* The key that was wrong is the right one afterwards. */
static int rekey(struct bench *bench) {
	int r = start_rekey(bench);

	return r < 0 ? r : bench_wait(bench);
}

static void test_rekey_opens_by_the_new_key_alone(void **state) {
	struct bench *bench = *state;
	uint8_t salt[SEAL_SALT_SIZE];

	memcpy(salt, store_kdf(bench->store)->salt, SEAL_SALT_SIZE);
	assert_int_equal(rekey(bench), 0);
	assert_int_equal(store_state(bench->store), STORE_OPEN);
	assert_memory_not_equal(store_kdf(bench->store)->salt, salt, SEAL_SALT_SIZE);
	assert_holds_all(bench->store);
	assert_int_equal(store_check_key(bench->store, bench->key), -EKEYREJECTED);
	store_lock(bench->store);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_unlock(bench->store, bench->key), -EKEYREJECTED);
	assert_int_equal(store_unlock(bench->store, bench->wrong_key), 0);
	assert_holds_all(bench->store);
	assert_int_equal(bench_put(bench, bench->store, OTHER_URL, "b", "token-d"), 0);
	bench_assert_holds(bench->store, OTHER_URL, "b", "token-d");
}

static void test_rekey_knows_its_urls_while_locked(void **state) {
	struct bench *bench = *state;

	assert_int_equal(rekey(bench), 0);
	store_lock(bench->store);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_true(store_has_url(bench->store, SUITE_URL));
	assert_true(store_has_url(bench->store, OTHER_URL));
	assert_false(store_has_url(bench->store, "https://third.example/index"));
}

static void test_rekey_is_one_more_generation(void **state) {
	struct bench *bench = *state;
	uint64_t before = store_generation(bench->store);

	assert_int_equal(rekey(bench), 0);
	assert_int_equal(store_generation(bench->store), before + 1);
}

static void test_rekey_needs_an_open_and_idle_store(void **state) {
	struct bench *bench = *state;

	assert_int_equal(start_rekey(bench), 0);
	assert_int_equal(start_rekey(bench), -EBUSY);
	assert_int_equal(bench_wait(bench), 0);
	store_lock(bench->store);
	assert_int_equal(start_rekey(bench), -ENOKEY);
}

static void test_rekey_during_which_it_is_locked_leaves_it_locked(void **state) {
	struct bench *bench = *state;
	struct account *account = NULL;

	assert_int_equal(start_rekey(bench), 0);
	store_lock(bench->store);
	assert_int_equal(bench_wait(bench), 0);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_find(bench->store, SUITE_URL, "a", true, &account), -ENOKEY);
	assert_int_equal(store_unlock(bench->store, bench->key), -EKEYREJECTED);
	assert_int_equal(store_unlock(bench->store, bench->wrong_key), 0);
	assert_holds_all(bench->store);
}

static void test_rekey_leaves_nothing_of_the_old_ciphertext(void **state) {
	_cleanup_(image_freep) struct image *old = vault_image();
	_cleanup_(image_freep) struct image *new = NULL;

	assert_int_equal(rekey(*state), 0);
	new = vault_image();
	assert_int_equal(new->n_records, old->n_records);
	for (size_t i = 0; i < old->n_records; i++) {
		const struct image_record *a = &old->records[i];
		const struct image_record *b = image_find(new, a->id);

		assert_non_null(b);
		assert_int_equal(a->size, b->size);
		assert_memory_not_equal(a->bytes + SEAL_TAGS_SIZE, b->bytes + SEAL_TAGS_SIZE, 24);
		if (memcmp(a->id, manifest_id, IMAGE_ID_SIZE) != 0)
			assert_memory_not_equal(a->bytes, b->bytes, SEAL_TAG_SIZE);
	}
}

static void test_rekey_makes_old_copies_of_the_vault_older(void **state) {
	struct bench *bench = *state;
	_cleanup_(contents_done) struct contents old = file_take(vault_path("vault"));

	assert_int_equal(rekey(bench), 0);
	file_give(vault_path("vault"), old.bytes, old.size);
	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_unlock(bench->store, bench->key), -ENOTUNIQ);
	assert_int_equal(store_unlock(bench->store, bench->wrong_key), -EKEYREJECTED);
}

static struct seal *open_seal(const struct image *image, const struct secret *key) {
	struct seal *seal = NULL;

	assert_int_equal(seal_read(image->header, image->header_size, &seal), 0);
	assert_int_equal(seal_open(seal, key), 0);
	return seal;
}

/* Adds a record as a newer agent may write one; `url` NULL for one about no registry. */
static void add_foreign(struct bench *bench, const uint8_t *id, const char *url,
	const char *tag_name, struct fields **ret) {
	_cleanup_(image_freep) struct image *image = vault_image();
	_cleanup_(seal_freep) struct seal *seal = open_seal(image, bench->key);
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t tags[SEAL_TAGS_SIZE] = {0};
	size_t size;

	assert_int_equal(fields_new(ret), 0);
	assert_int_equal(fields_put_u64(*ret, 1, 99), 0);
	assert_int_equal(fields_put(*ret, 200, "\0unheard of", 11), 0);
	assert_int_equal(fields_put_string(*ret, 2, url), 0);
	if (url) {
		assert_int_equal(fields_put_string(*ret, 3, "name"), 0);
		assert_int_equal(seal_tags(seal, url, tag_name, tags), 0);
	}
	assert_int_equal(seal_encrypt(seal, id, tags, *ret, &bytes, &size), 0);
	assert_int_equal(image_put(image, id, bytes, size), 0);
	assert_int_equal(manifest_write(image, seal, 100), 0);
	vault_give_image(image);
	bench_restart(bench);
	bench_reopen(bench);
}

static void assert_carried(
	struct bench *bench, const uint8_t *id, const char *url, const struct fields *fields) {
	_cleanup_(image_freep) struct image *image = vault_image();
	_cleanup_(seal_freep) struct seal *seal = open_seal(image, bench->wrong_key);
	_cleanup_(fields_freep) struct fields *found = NULL;
	const struct image_record *record = image_find(image, id);
	uint8_t tags[SEAL_TAGS_SIZE] = {0};

	assert_non_null(record);
	assert_int_equal(seal_decrypt(seal, id, record->bytes, record->size, &found), 0);
	assert_int_equal(fields_size(found), fields_size(fields));
	assert_memory_equal(fields_bytes(found), fields_bytes(fields), fields_size(fields));
	if (url)
		assert_int_equal(seal_tags(seal, url, "name", tags), 0);
	assert_memory_equal(record->bytes, tags, SEAL_TAGS_SIZE);
}

static void test_rekey_carries_over_what_it_does_not_know(void **state) {
	static const uint8_t about_url[IMAGE_ID_SIZE] = "of a registry";
	static const uint8_t about_none[IMAGE_ID_SIZE] = "of no registry";
	_cleanup_(fields_freep) struct fields *with_url = NULL, *without = NULL;
	struct bench *bench = *state;

	add_foreign(bench, about_url, "https://new.example", "name", &with_url);
	add_foreign(bench, about_none, NULL, NULL, &without);
	assert_int_equal(rekey(bench), 0);
	assert_carried(bench, about_url, "https://new.example", with_url);
	assert_carried(bench, about_none, NULL, without);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
}

static void test_rekey_changes_nothing_where_a_record_would_be_lost(void **state) {
	static const uint8_t id[IMAGE_ID_SIZE] = "found otherwise";
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct bench *bench = *state;

	add_foreign(bench, id, "https://new.example", "not-its-name", &fields);
	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	assert_int_equal(rekey(bench), -ENOTSUP);
	vault_assert_is(&before);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	assert_int_equal(store_check_key(bench->store, bench->key), 0);
}

/* Of another seal, though the manifest vouches for it. */
static void test_rekey_changes_nothing_where_a_record_does_not_open(void **state) {
	struct bench *bench = *state;
	_cleanup_(image_freep) struct image *image = vault_image();
	_cleanup_(seal_freep) struct seal *seal = open_seal(image, bench->key);

	for (size_t i = 0; i < image->n_records; i++)
		image->records[i].bytes[image->records[i].size - 1] ^= 1;
	assert_int_equal(manifest_write(image, seal, 100), 0);
	vault_give_image(image);
	bench_restart(bench);
	bench_reopen(bench);
	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	assert_int_equal(rekey(bench), -EBADMSG);
	vault_assert_is(&before);
	assert_int_equal(store_state(bench->store), STORE_OPEN);
	assert_int_equal(store_check_key(bench->store, bench->key), 0);
}

static void test_rekey_that_cannot_be_saved_leaves_the_old_key(void **state) {
	struct bench *bench = *state;
	char new[256];

	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	(void) snprintf(new, sizeof(new), "%s", vault_path("vault.new"));
	assert_int_equal(mkdir(new, 0700), 0); /* Nothing can be written there. */
	assert_true(rekey(bench) < 0);
	vault_assert_is(&before);
	assert_holds_all(bench->store);
	assert_int_equal(store_check_key(bench->store, bench->key), 0);
	assert_int_equal(store_check_key(bench->store, bench->wrong_key), -EKEYREJECTED);
	assert_int_equal(rmdir(new), 0);
	assert_int_equal(rekey(bench), 0);
	assert_holds_all(bench->store);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, rekey_up, rekey_down)

int main(void) {
	const struct CMUnitTest of_all[] = {
		CASE(test_rekey_opens_by_the_new_key_alone),
		CASE(test_rekey_knows_its_urls_while_locked),
		CASE(test_rekey_is_one_more_generation),
		CASE(test_rekey_needs_an_open_and_idle_store),
		CASE(test_rekey_during_which_it_is_locked_leaves_it_locked),
	};
	const struct CMUnitTest of_the_vault[] = {
		CASE(test_rekey_leaves_nothing_of_the_old_ciphertext),
		CASE(test_rekey_makes_old_copies_of_the_vault_older),
		CASE(test_rekey_carries_over_what_it_does_not_know),
		CASE(test_rekey_changes_nothing_where_a_record_would_be_lost),
		CASE(test_rekey_changes_nothing_where_a_record_does_not_open),
		CASE(test_rekey_that_cannot_be_saved_leaves_the_old_key),
	};
	int n_failed;

	medium = "memory";
	n_failed = cmocka_run_group_tests_name("rekey in memory", of_all, NULL, NULL);
	medium = "vault";
	n_failed += cmocka_run_group_tests_name("rekey of the vault", of_all, NULL, NULL);
	return n_failed + cmocka_run_group_tests(of_the_vault, NULL, NULL);
}
