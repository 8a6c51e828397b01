/* A vault that somebody changed with care: the checksum fits, the seal does not. */

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/store/ledger.h"
#include "agent/store/manifest.h"
#include "store-suite.h"
#include "vault.h"

/* A vault with the accounts "a" and "b", closed. */
static int forged_up(void **state) {
	struct bench *bench = bench_up("vault");

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	bench_restart(bench);
	*state = bench;
	return 0;
}

static int forged_down(void **state) {
	bench_down(*state);
	return 0;
}

static void assert_unlock_fails(struct bench *bench, int error) {
	struct account *account = NULL;

	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_unlock(bench->store, bench->key), error);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_find(bench->store, SUITE_URL, "a", true, &account), -ENOKEY);
	assert_null(account);
}

static void assert_broken(struct bench *bench, int error) {
	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_BROKEN);
	assert_int_equal(store_error(bench->store), error);
}

/* The record of an account: the `index`th that is not the manifest. */
static struct image_record *record_at(struct image *image, size_t index) {
	for (size_t i = 0; i < image->n_records; i++) {
		if (memcmp(image->records[i].id, manifest_id, IMAGE_ID_SIZE) == 0)
			continue;
		if (index-- == 0)
			return &image->records[i];
	}
	fail_msg("no such record");
	return NULL;
}

static void test_forged_nowhere_opens(void **state) {
	struct bench *bench = *state;
	_cleanup_(image_freep) struct image *image = vault_image();

	/* So that the others fail for what they forge, not for how they write. */
	vault_give_image(image);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
}

static void test_forged_removal_of_a_record_is_seen(void **state) {
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
		_cleanup_(image_freep) struct image *image = vault_image();

		assert_int_equal(image_erase(image, record_at(image, i)->id), 0);
		vault_give_image(image);
		assert_unlock_fails(*state, -EBADMSG);
		file_give(vault_path("vault"), before.bytes, before.size);
	}
}

static void test_forged_removal_of_all_records_is_seen(void **state) {
	_cleanup_(image_freep) struct image *image = vault_image();

	assert_int_equal(image_erase(image, record_at(image, 0)->id), 0);
	assert_int_equal(image_erase(image, record_at(image, 0)->id), 0);
	vault_give_image(image);
	assert_unlock_fails(*state, -EBADMSG);
}

static void test_forged_addition_of_a_record_is_seen(void **state) {
	static const uint8_t id[IMAGE_ID_SIZE] = "a new record";
	_cleanup_(image_freep) struct image *image = vault_image();
	const struct image_record *record = record_at(image, 0);

	assert_int_equal(image_put(image, id, record->bytes, record->size), 0);
	vault_give_image(image);
	assert_unlock_fails(*state, -EBADMSG);
}

/* Under an id that is there already, which a file can have though an image cannot. */
static void test_forged_addition_of_a_record_twice_is_seen(void **state) {
	for (int is_manifest = 0; is_manifest <= 1; is_manifest++) {
		static const uint8_t id[IMAGE_ID_SIZE] = "a new record";
		_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
		_cleanup_(image_freep) struct image *image = vault_image();
		const struct image_record *record =
			is_manifest ? image_find(image, manifest_id) : record_at(image, 0);
		uint8_t twice[IMAGE_ID_SIZE];

		memcpy(twice, record->id, IMAGE_ID_SIZE);
		assert_int_equal(image_put(image, id, record->bytes, record->size), 0);
		memcpy(image->records[image->n_records - 1].id, twice, IMAGE_ID_SIZE);
		vault_give_image(image);
		bench_restart(*state);
		assert_int_equal(bench_load(*state, ((struct bench *) *state)->store), 0);
		if (store_state(((struct bench *) *state)->store) == STORE_BROKEN)
			assert_broken(*state, -EBADMSG);
		else
			assert_unlock_fails(*state, -EBADMSG);
		file_give(vault_path("vault"), before.bytes, before.size);
	}
}

/* The token of last week, which was leaked and replaced, put back. */
static void test_forged_return_of_an_older_record_is_seen(void **state) {
	struct bench *bench = *state;
	_cleanup_(image_freep) struct image *old = vault_image();
	_cleanup_(image_freep) struct image *image = NULL;

	bench_reopen(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-c"), 0);
	image = vault_image();
	for (size_t i = 0; i < 2; i++) {
		const struct image_record *record = record_at(old, i);

		assert_int_equal(image_put(image, record->id, record->bytes, record->size), 0);
	}
	vault_give_image(image);
	assert_unlock_fails(bench, -EBADMSG);
}

static void test_forged_exchange_of_two_records_is_seen(void **state) {
	_cleanup_(image_freep) struct image *image = vault_image();
	struct image_record *a = record_at(image, 0), *b = record_at(image, 1);
	struct image_record kept = *a;

	a->bytes = b->bytes;
	a->size = b->size;
	b->bytes = kept.bytes;
	b->size = kept.size;
	vault_give_image(image);
	assert_unlock_fails(*state, -EBADMSG);
}

static void test_forged_exchange_of_two_ids_is_seen(void **state) {
	_cleanup_(image_freep) struct image *image = vault_image();
	struct image_record *a = record_at(image, 0), *b = record_at(image, 1);
	uint8_t kept[IMAGE_ID_SIZE];

	memcpy(kept, a->id, IMAGE_ID_SIZE);
	memcpy(a->id, b->id, IMAGE_ID_SIZE);
	memcpy(b->id, kept, IMAGE_ID_SIZE);
	vault_give_image(image);
	assert_unlock_fails(*state, -EBADMSG);
}

static void test_forged_manifest_is_seen(void **state) {
	struct bench *bench = *state;
	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	_cleanup_(image_freep) struct image *image = vault_image();
	_cleanup_(image_freep) struct image *old = vault_image();
	const struct image_record *manifest = image_find(old, manifest_id);

	assert_int_equal(image_erase(image, manifest_id), 0);
	vault_give_image(image);
	assert_unlock_fails(bench, -EBADMSG);

	assert_int_equal(image_put(image, manifest_id, "", 0), 0);
	vault_give_image(image);
	assert_unlock_fails(bench, -EBADMSG);

	/* That of an older state. */
	file_give(vault_path("vault"), before.bytes, before.size);
	bench_restart(bench);
	bench_reopen(bench);
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "b"), 0);
	image = image_free(image);
	image = vault_image();
	assert_int_equal(image_put(image, manifest_id, manifest->bytes, manifest->size), 0);
	vault_give_image(image);
	assert_unlock_fails(bench, -EBADMSG);
}

/* All of last week's vault is whole in itself: only the generation tells. */
static void test_forged_return_of_an_older_vault_is_seen(void **state) {
	struct bench *bench = *state;
	_cleanup_(contents_done) struct contents old = file_take(vault_path("vault"));
	char choice[128];

	bench_reopen(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-c"), 0);
	_cleanup_(contents_done) struct contents newest = file_take(vault_path("vault"));
	file_give(vault_path("vault"), old.bytes, old.size);
	assert_unlock_fails(bench, -ENOTUNIQ);

	file_give(vault_path("vault"), newest.bytes, newest.size);
	bench_restart(bench);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-c");

	/* A person who restored a backup takes the record away, as the refusal says. */
	(void) snprintf(choice, sizeof(choice), "%s/.local/state/cpub-agent/store", bench->home);
	assert_int_equal(unlink(choice), 0);
	file_give(vault_path("vault"), old.bytes, old.size);
	bench_restart(bench);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
}

/* A vault that came from another machine is newer, and from then on the measure. */
static void test_forged_return_is_seen_after_a_newer_vault_was_unlocked(void **state) {
	struct bench *bench = *state;
	_cleanup_(contents_done) struct contents old = file_take(vault_path("vault"));
	_cleanup_(contents_done) struct contents choice = {0};
	char path[128];

	(void) snprintf(path, sizeof(path), "%s/.local/state/cpub-agent/store", bench->home);
	choice = file_take(path);
	bench_reopen(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-c"), 0);
	file_give(path, choice.bytes, choice.size);
	bench_restart(bench);
	bench_reopen(bench);
	file_give(vault_path("vault"), old.bytes, old.size);
	assert_unlock_fails(bench, -ENOTUNIQ);
}

static void test_forged_header_never_opens_silently(void **state) {
	struct bench *bench = *state;
	_cleanup_(image_freep) struct image *image = vault_image();

	for (size_t at = 0; at < image->header_size; at++) {
		int r;

		image->header[at] ^= 0x01;
		vault_give_image(image);
		bench_restart(bench);
		assert_int_equal(bench_load(bench, bench->store), 0);
		if (store_state(bench->store) == STORE_LOCKED) {
			r = store_unlock(bench->store, bench->key);
			assert_true(r == -EKEYREJECTED || r == -EBADMSG);
			assert_int_equal(store_state(bench->store), STORE_LOCKED);
		} else {
			assert_int_equal(store_state(bench->store), STORE_BROKEN);
			r = store_error(bench->store);
			assert_true(r == -EBADMSG || r == -ENOTSUP);
		}
		image->header[at] ^= 0x01;
	}
	vault_give_image(image);
	bench_restart(bench);
	bench_reopen(bench);
}

static void test_damage_is_told_from_a_wrong_passphrase(void **state) {
	struct bench *bench = *state;
	_cleanup_(contents_done) struct contents vault = file_take(vault_path("vault"));

	vault.bytes[vault.size / 2] ^= 0x01;
	file_give(vault_path("vault"), vault.bytes, vault.size);
	assert_broken(bench, -EBADMSG);
	vault.bytes[vault.size / 2] ^= 0x01;
	file_give(vault_path("vault"), vault.bytes, vault.size - 1);
	assert_broken(bench, -EBADMSG);
	file_give(vault_path("vault"), "", 0);
	assert_broken(bench, -EBADMSG);
	file_give(vault_path("vault"), vault.bytes, vault.size);
	assert_int_equal(truncate(vault_path("vault"), (off_t) IMAGE_SIZE_MAX + 1), 0);
	assert_broken(bench, -EBADMSG);
}

static void test_vault_of_a_newer_agent_is_left_alone(void **state) {
	struct bench *bench = *state;
	_cleanup_(contents_done) struct contents vault = file_take(vault_path("vault"));

	vault.bytes[strlen("cpub-agent vault\n")] = 2;
	assert_int_equal(crypto_generichash(vault.bytes + vault.size - 32, 32, vault.bytes,
				 vault.size - 32, NULL, 0),
		0);
	file_give(vault_path("vault"), vault.bytes, vault.size);
	assert_broken(bench, -ENOTSUP);
	assert_int_equal(bench_create(bench, bench->store), -EEXIST);
	vault_assert_is(&vault);
}

/* Written at once, for each put is a save of all; then used as any other. */
static void test_vault_of_two_thousand_accounts_works(void **state) {
	struct bench *bench = *state;
	_cleanup_(image_freep) struct image *image = vault_image();
	_cleanup_(seal_freep) struct seal *seal = NULL;
	char name[32], token[32];

	assert_int_equal(seal_read(image->header, image->header_size, &seal), 0);
	assert_int_equal(seal_open(seal, bench->key), 0);
	for (int i = 2; i < 2000; i++) {
		_cleanup_(account_freep) struct account *account = NULL;

		(void) snprintf(name, sizeof(name), "account-%d", i);
		(void) snprintf(token, sizeof(token), "token-%d", i);
		account = bench_account(SUITE_URL, name, token);
		assert_int_equal(ledger_put(image, seal, account), 0);
	}
	assert_int_equal(manifest_write(image, seal, 100), 0);
	vault_give_image(image);

	bench_reopen(bench);
	assert_int_equal(store_n_accounts(bench->store), 2000);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "one-more", "token-0"), 0);
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "account-1000"), 0);
	bench_restart(bench);
	bench_reopen(bench);
	assert_int_equal(store_n_accounts(bench->store), 2000);
	bench_assert_holds(bench->store, SUITE_URL, "one-more", "token-0");
	for (int i = 2; i < 2000; i++) {
		if (i == 1000)
			continue;
		(void) snprintf(name, sizeof(name), "account-%d", i);
		(void) snprintf(token, sizeof(token), "token-%d", i);
		bench_assert_holds(bench->store, SUITE_URL, name, token);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, forged_up, forged_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_forged_nowhere_opens),
		CASE(test_forged_removal_of_a_record_is_seen),
		CASE(test_forged_removal_of_all_records_is_seen),
		CASE(test_forged_addition_of_a_record_is_seen),
		CASE(test_forged_addition_of_a_record_twice_is_seen),
		CASE(test_forged_return_of_an_older_record_is_seen),
		CASE(test_forged_exchange_of_two_records_is_seen),
		CASE(test_forged_exchange_of_two_ids_is_seen),
		CASE(test_forged_manifest_is_seen),
		CASE(test_forged_return_of_an_older_vault_is_seen),
		CASE(test_forged_return_is_seen_after_a_newer_vault_was_unlocked),
		CASE(test_forged_header_never_opens_silently),
		CASE(test_damage_is_told_from_a_wrong_passphrase),
		CASE(test_vault_of_a_newer_agent_is_left_alone),
		CASE(test_vault_of_two_thousand_accounts_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
