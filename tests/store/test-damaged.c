/*
 * A vault with any one byte changed, or cut at any length: with its checksum
 * as it was, which is damage, and with the checksum made true again, which is
 * forgery. None of them ever opens.
 */

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/account.h"
#include "store-suite.h"
#include "vault.h"

#define CHECKSUM_SIZE 32
#define FORMAT_AT 17
#define FORMAT_SIZE 4

static const uint8_t flips[] = {0x01, 0x80};

/* A vault with one account, and its bytes. */
static struct contents whole;

static int damaged_up(void **state) {
	struct bench *bench = bench_up("vault");

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	whole = file_take(vault_path("vault"));
	*state = bench;
	return 0;
}

static int damaged_down(void **state) {
	contents_done(&whole);
	bench_down(*state);
	return 0;
}

/* Puts it there as it is, or with the checksum of what it is now. */
static void give(uint8_t *bytes, size_t size, bool is_forged) {
	if (is_forged && size >= CHECKSUM_SIZE)
		assert_int_equal(crypto_generichash(bytes + size - CHECKSUM_SIZE, CHECKSUM_SIZE,
					 bytes, size - CHECKSUM_SIZE, NULL, 0),
			0);
	file_give(vault_path("vault"), bytes, size);
}

static void assert_damaged(struct bench *bench) {
	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_BROKEN);
	assert_int_equal(store_error(bench->store), -EBADMSG);
}

/* Refused at the header, at the key or at the manifest. `at` says where it was changed. */
static void assert_never_opens(struct bench *bench, size_t at) {
	struct account *account = NULL;
	int r;

	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	if (store_state(bench->store) == STORE_LOCKED) {
		r = store_unlock(bench->store, bench->key);
		if (r != -EKEYREJECTED && r != -EBADMSG)
			fail_msg("byte %zu was changed, and unlocking told %d", at, r);
		assert_int_equal(store_state(bench->store), STORE_LOCKED);
		assert_int_equal(
			store_find(bench->store, SUITE_URL, "a", true, &account), -ENOKEY);
		return;
	}
	assert_int_equal(store_state(bench->store), STORE_BROKEN);
	r = store_error(bench->store);
	if (r != -EBADMSG && r != -ENOTSUP)
		fail_msg("byte %zu was changed, and loading told %d", at, r);
}

static void test_vault_with_any_byte_changed_is_damaged(void **state) {
	for (size_t at = 0; at < whole.size; at++) {
		for (size_t i = 0; i < sizeof(flips); i++) {
			whole.bytes[at] ^= flips[i];
			give(whole.bytes, whole.size, false);
			assert_damaged(*state);
			whole.bytes[at] ^= flips[i];
		}
	}
}

static void test_vault_with_any_byte_forged_never_opens(void **state) {
	struct bench *bench = *state;

	for (size_t at = 0; at < whole.size - CHECKSUM_SIZE; at++) {
		for (size_t i = 0; i < sizeof(flips); i++) {
			whole.bytes[at] ^= flips[i];
			give(whole.bytes, whole.size, true);
			assert_never_opens(bench, at);
			whole.bytes[at] ^= flips[i];
		}
	}
	/* It was for the changes alone. */
	give(whole.bytes, whole.size, true);
	bench_restart(bench);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
}

static void test_vault_cut_at_any_length_is_damaged(void **state) {
	for (size_t size = 0; size < whole.size; size++) {
		give(whole.bytes, size, false);
		assert_damaged(*state);
	}
}

static void test_vault_cut_at_any_length_and_forged_is_damaged(void **state) {
	_cleanup_(freep) uint8_t *bytes = malloc(whole.size);

	assert_non_null(bytes);
	for (size_t size = 0; size < whole.size; size++) {
		memcpy(bytes, whole.bytes, size);
		give(bytes, size, true);
		assert_damaged(*state);
	}
}

static void test_vault_of_any_newer_format_is_told_from_damage(void **state) {
	struct bench *bench = *state;

	for (size_t at = FORMAT_AT; at < FORMAT_AT + FORMAT_SIZE; at++) {
		whole.bytes[at] ^= 0x80;
		give(whole.bytes, whole.size, true);
		bench_restart(bench);
		assert_int_equal(bench_load(bench, bench->store), 0);
		assert_int_equal(store_error(bench->store), -ENOTSUP);
		whole.bytes[at] ^= 0x80;
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, damaged_up, damaged_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_vault_with_any_byte_changed_is_damaged),
		CASE(test_vault_with_any_byte_forged_never_opens),
		CASE(test_vault_cut_at_any_length_is_damaged),
		CASE(test_vault_cut_at_any_length_and_forged_is_damaged),
		CASE(test_vault_of_any_newer_format_is_told_from_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
