/* What every medium has to do. A case uses nothing that only one of them has. */

#include "store-suite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/account.h"
#include "protocol/secret.h"

#define SETTLE_USEC ((uint64_t) 100 * 1000)

static const char *suite_medium;
/* A keyring writes all of it for each. */
static int n_many;

static int suite_up(void **state) {
	*state = bench_up(suite_medium);
	return 0;
}

static int suite_down(void **state) {
	bench_down(*state);
	return 0;
}

static void test_store_is_absent_before_it_is_made(void **state) {
	struct bench *bench = *state;

	assert_int_equal(store_state(bench->store), STORE_UNKNOWN);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_ABSENT);
	assert_string_equal(store_medium_name(bench->store), bench->medium);
	assert_null(store_kdf(bench->store));
	assert_int_equal(store_n_accounts(bench->store), 0);
	assert_false(store_has_url(bench->store, SUITE_URL));
	assert_int_equal(store_check_key(bench->store, bench->key), -EKEYREJECTED);
}

static void test_store_is_not_made_before_it_was_looked_for(void **state) {
	struct bench *bench = *state;

	assert_int_equal(bench_create(bench, bench->store), -EEXIST);
	assert_int_equal(store_state(bench->store), STORE_UNKNOWN);
}

static void test_store_is_open_and_empty_when_made(void **state) {
	struct bench *bench = *state;
	struct account *account = NULL;

	bench_create_open(bench);
	assert_non_null(store_kdf(bench->store));
	assert_int_equal(store_n_accounts(bench->store), 0);
	assert_int_equal(store_find(bench->store, SUITE_URL, "default", true, &account), -ENOENT);
	assert_int_equal(store_at(bench->store, 0, &account), -ENOENT);
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "default"), -ENOENT);
	assert_null(account);
}

static void test_store_is_not_made_twice(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "default", SUITE_TOKEN), 0);
	assert_int_equal(bench_create(bench, bench->store), -EEXIST);
	store_lock(bench->store);
	assert_int_equal(bench_create(bench, bench->store), -EEXIST);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "default", SUITE_TOKEN);
}

/* The whole life of an account. */
static void test_store_keeps_an_account_through_lock_and_unlock(void **state) {
	struct bench *bench = *state;
	struct account *account = NULL;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "default", SUITE_TOKEN), 0);
	bench_assert_holds(bench->store, SUITE_URL, "default", SUITE_TOKEN);

	store_lock(bench->store);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_find(bench->store, SUITE_URL, "default", true, &account), -ENOKEY);
	assert_int_equal(store_at(bench->store, 0, &account), -ENOKEY);
	assert_null(account);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "t"), -ENOKEY);
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "default"), -ENOKEY);
	assert_int_equal(bench_erase(bench, bench->store, NULL, NULL), -ENOKEY);

	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "default", SUITE_TOKEN);
}

static void test_store_knows_its_urls_while_locked(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "default", SUITE_TOKEN), 0);
	store_lock(bench->store);
	assert_true(store_has_url(bench->store, SUITE_URL));
	assert_false(store_has_url(bench->store, SUITE_URL "/"));
	assert_false(store_has_url(bench->store, "https://other.example"));
	assert_false(store_has_url(bench->store, ""));
	assert_int_equal(store_n_accounts(bench->store), 1);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_true(store_has_url(bench->store, SUITE_URL));
}

static void test_store_stays_locked_under_a_wrong_key(void **state) {
	struct bench *bench = *state;
	struct account *account = NULL;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "default", SUITE_TOKEN), 0);
	assert_int_equal(store_check_key(bench->store, bench->wrong_key), -EKEYREJECTED);
	assert_int_equal(store_check_key(bench->store, bench->key), 0);
	assert_int_equal(store_state(bench->store), STORE_OPEN);

	store_lock(bench->store);
	assert_int_equal(store_unlock(bench->store, bench->wrong_key), -EKEYREJECTED);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_find(bench->store, SUITE_URL, "default", true, &account), -ENOKEY);
	assert_int_equal(store_check_key(bench->store, bench->key), 0);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_unlock(bench->store, bench->key), 0);
}

static void test_store_hands_out_tokens_only_where_asked(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *found = NULL, *at = NULL;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "work", SUITE_TOKEN), 0);
	assert_int_equal(store_find(bench->store, SUITE_URL, "work", false, &found), 0);
	assert_int_equal(store_at(bench->store, 0, &at), 0);
	assert_null(found->token);
	assert_null(at->token);
	assert_string_equal(at->url, SUITE_URL);
}

static void test_store_keeps_all_of_an_account(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "t");
	_cleanup_(account_freep) struct account *found = NULL;

	account->dl = strdup("https://dl.example/{crate}");
	account->ca_pem = strdup("-----BEGIN CERTIFICATE-----\n…\n");
	account->proxy = strdup("http://proxy.example:3128");
	account->is_plain_http = true;
	account->is_closed = true;
	account->is_marked = true;
	bench_create_open(bench);
	assert_int_equal(store_put(bench->store, account, bench_done, bench), 0);
	assert_int_equal(bench_wait(bench), 0);
	store_lock(bench->store);
	bench_reopen(bench);
	assert_int_equal(store_find(bench->store, SUITE_URL, "a", true, &found), 0);
	assert_string_equal(found->dl, account->dl);
	assert_string_equal(found->ca_pem, account->ca_pem);
	assert_string_equal(found->proxy, account->proxy);
	assert_true(found->is_plain_http);
	assert_true(found->is_closed);
	assert_true(found->is_marked);
	assert_true(secret_equal(found->token, account->token));
}

static void test_store_tells_accounts_of_one_url_apart(void **state) {
	struct bench *bench = *state;
	struct account *account = NULL;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
	assert_int_equal(store_find(bench->store, SUITE_URL, "c", true, &account), -ENOENT);
	assert_int_equal(store_find(bench->store, SUITE_URL "x", "a", true, &account), -ENOENT);
	assert_int_equal(store_n_accounts(bench->store), 2);
}

static void test_store_puts_a_token_in_place_of_the_old_one(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "the-old-one"), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "the-new-one"), 0);
	bench_assert_holds(bench->store, SUITE_URL, "a", "the-new-one");
	assert_int_equal(store_n_accounts(bench->store), 1);
	store_lock(bench->store);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", "the-new-one");
}

static void test_store_erases_one_account(void **state) {
	struct bench *bench = *state;
	struct account *account = NULL;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "a"), 0);
	assert_int_equal(store_find(bench->store, SUITE_URL, "a", true, &account), -ENOENT);
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "a"), -ENOENT);
	store_lock(bench->store);
	bench_reopen(bench);
	assert_int_equal(store_find(bench->store, SUITE_URL, "a", true, &account), -ENOENT);
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "b"), 0);
	assert_false(store_has_url(bench->store, SUITE_URL));
}

static void test_store_erases_all_accounts(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	assert_int_equal(bench_put(bench, bench->store, "https://b.example", "b", "token-b"), 0);
	assert_int_equal(bench_erase(bench, bench->store, NULL, NULL), 0);
	assert_int_equal(store_n_accounts(bench->store), 0);
	store_lock(bench->store);
	assert_false(store_has_url(bench->store, SUITE_URL));
	bench_reopen(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-c"), 0);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-c");
}

static void test_store_does_one_thing_at_a_time(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "t");

	bench_create_open(bench);
	assert_int_equal(store_put(bench->store, account, bench_done, bench), 0);
	assert_int_equal(store_put(bench->store, account, bench_done, bench), -EBUSY);
	assert_int_equal(store_erase(bench->store, NULL, NULL, bench_done, bench), -EBUSY);
	assert_int_equal(bench_wait(bench), 0);
	bench_assert_holds(bench->store, SUITE_URL, "a", "t");
}

static void count(int error, void *userdata) {
	assert_int_equal(error, 0);
	++*(int *) userdata;
}

static void test_store_tells_all_who_look_also_in_mid_save(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "t");
	int n_told = 0, n_forgotten = 0;

	bench_create_open(bench);
	store_lock(bench->store);
	assert_int_equal(store_load(bench->store, false, count, &n_told), 0);
	assert_int_equal(store_load(bench->store, false, count, &n_told), 0);
	assert_int_equal(store_load(bench->store, false, count, &n_forgotten), 0);
	store_forget_callback(bench->store, &n_forgotten);
	bench_reopen(bench);
	assert_int_equal(n_told, 2);

	assert_int_equal(store_put(bench->store, account, count, &n_told), 0);
	assert_int_equal(store_load(bench->store, false, count, &n_told), 0);
	while (n_told < 4)
		assert_true(sd_event_run(bench->event, 10 * 1000 * 1000) > 0);
	assert_int_equal(store_state(bench->store), STORE_OPEN);
	bench_assert_holds(bench->store, SUITE_URL, "a", "t");
	assert_int_equal(n_forgotten, 0);
}

static void test_store_generation_goes_up_with_each_change(void **state) {
	struct bench *bench = *state;
	uint64_t made;

	bench_create_open(bench);
	made = store_generation(bench->store);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "t"), 0);
	assert_true(store_generation(bench->store) > made);
	store_lock(bench->store);
	bench_reopen(bench);
	assert_true(store_generation(bench->store) > made);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "t"), 0);
	assert_true(store_generation(bench->store) > made + 1);
}

/* Locked by a signal in mid-save: the account is kept, the key is not. */
static void test_store_locked_during_a_put_keeps_the_account_and_no_key(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "t");
	struct account *found = NULL;

	bench_create_open(bench);
	assert_int_equal(store_put(bench->store, account, bench_done, bench), 0);
	store_lock(bench->store);
	assert_int_equal(bench_wait(bench), 0);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_find(bench->store, SUITE_URL, "a", true, &found), -ENOKEY);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", "t");
}

static void not_wanted(int error, void *userdata) {
	(void) error;
	*(bool *) userdata = true;
}

static void test_store_calls_nobody_back_who_went_away(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "t");
	bool is_called = false;

	bench_create_open(bench);
	assert_int_equal(store_put(bench->store, account, not_wanted, &is_called), 0);
	store_forget_callback(bench->store, &is_called);
	while (store_put(bench->store, account, bench_done, bench) == -EBUSY)
		assert_true(sd_event_run(bench->event, 1000 * 1000) > 0);
	assert_int_equal(bench_wait(bench), 0);
	assert_false(is_called);
	bench_assert_holds(bench->store, SUITE_URL, "a", "t");
}

static void test_store_may_be_freed_at_any_moment(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "t");
	bool is_called = false;

	bench_create_open(bench);
	assert_int_equal(store_put(bench->store, account, not_wanted, &is_called), 0);
	bench->store = store_free(bench->store);
	/* All that comes afterwards is the end of a worker. */
	while (sd_event_run(bench->event, SETTLE_USEC) > 0)
		;
	assert_false(is_called);
}

static void test_store_keeps_many_accounts(void **state) {
	struct bench *bench = *state;
	char name[32], token[32];

	bench_create_open(bench);
	for (int i = 0; i < n_many; i++) {
		(void) snprintf(name, sizeof(name), "account-%d", i);
		(void) snprintf(token, sizeof(token), "token-%d", i);
		assert_int_equal(bench_put(bench, bench->store, SUITE_URL, name, token), 0);
	}
	store_lock(bench->store);
	bench_reopen(bench);
	assert_int_equal(store_n_accounts(bench->store), n_many);
	for (int i = 0; i < n_many; i++) {
		_cleanup_(account_freep) struct account *account = NULL;

		(void) snprintf(name, sizeof(name), "account-%d", i);
		(void) snprintf(token, sizeof(token), "token-%d", i);
		bench_assert_holds(bench->store, SUITE_URL, name, token);
		assert_int_equal(store_at(bench->store, (size_t) i, &account), 0);
		assert_string_equal(account->name, name);
	}
}

static void test_store_without_a_passphrase_is_locked_for_good(void **state) {
	struct bench *bench = *state;

	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(
		store_create(bench->store, bench->medium, NULL, NULL, bench_done, bench), 0);
	assert_int_equal(bench_wait(bench), 0);
	assert_null(store_kdf(bench->store));
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "t"), 0);
	bench_assert_holds(bench->store, SUITE_URL, "a", "t");
	store_lock(bench->store);
	assert_int_equal(store_unlock(bench->store, bench->key), -EKEYREJECTED);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, suite_up, suite_down)

int store_suite_run(const char *medium) {
	const struct CMUnitTest tests[] = {
		CASE(test_store_is_absent_before_it_is_made),
		CASE(test_store_is_not_made_before_it_was_looked_for),
		CASE(test_store_is_open_and_empty_when_made),
		CASE(test_store_is_not_made_twice),
		CASE(test_store_keeps_an_account_through_lock_and_unlock),
		CASE(test_store_knows_its_urls_while_locked),
		CASE(test_store_stays_locked_under_a_wrong_key),
		CASE(test_store_hands_out_tokens_only_where_asked),
		CASE(test_store_keeps_all_of_an_account),
		CASE(test_store_tells_accounts_of_one_url_apart),
		CASE(test_store_puts_a_token_in_place_of_the_old_one),
		CASE(test_store_erases_one_account),
		CASE(test_store_erases_all_accounts),
		CASE(test_store_does_one_thing_at_a_time),
		CASE(test_store_tells_all_who_look_also_in_mid_save),
		CASE(test_store_generation_goes_up_with_each_change),
		CASE(test_store_locked_during_a_put_keeps_the_account_and_no_key),
		CASE(test_store_calls_nobody_back_who_went_away),
		CASE(test_store_may_be_freed_at_any_moment),
		CASE(test_store_keeps_many_accounts),
		CASE(test_store_without_a_passphrase_is_locked_for_good),
	};

	suite_medium = medium;
	n_many = strcmp(medium, "keyring") == 0 ? 10 : 100;
	return cmocka_run_group_tests_name(medium, tests, NULL, NULL);
}
