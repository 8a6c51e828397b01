/* From one medium to another: the store is whole on the recorded one at every moment. */

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
#include "agent/store/choice.h"
#include "agent/store/ledger.h"
#include "agent/store/manifest.h"
#include "other-medium.h"
#include "store-suite.h"
#include "vault.h"

/* A vault with one account, open. */
static int move_up(void **state) {
	struct bench *bench = bench_up("vault");

	other_faults = vault_faults = (struct faults){0};
	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	*state = bench;
	return 0;
}

static int move_down(void **state) {
	bench_down(*state);
	return 0;
}

static int move(struct bench *bench, const char *medium) {
	int r = store_move(bench->store, medium, bench_done, bench);

	return r < 0 ? r : bench_wait(bench);
}

/* The store is on that medium, says the record, and nothing is on the other. */
static void assert_is_on(struct bench *bench, const char *medium) {
	bool is_other = strcmp(medium, "other") == 0;
	struct choice choice;

	assert_string_equal(store_medium_name(bench->store), medium);
	assert_int_equal(choice_read(&choice), 0);
	assert_string_equal(choice.medium, medium);
	assert_string_equal(choice.leftover, "");
	assert_int_equal(access(vault_path("vault"), F_OK), is_other ? -1 : 0);
	assert_int_equal(access(other_path("vault"), F_OK), is_other ? 0 : -1);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
}

static void reopen(struct bench *bench) {
	bench_restart(bench);
	bench_reopen(bench);
}

static void test_move_takes_all_along_and_erases_the_old(void **state) {
	struct bench *bench = *state;
	uint64_t generation = store_generation(bench->store);

	assert_int_equal(move(bench, "other"), 0);
	assert_is_on(bench, "other");
	assert_string_equal(store_path(bench->store), other_path("vault"));
	assert_int_equal(store_generation(bench->store), generation);
	reopen(bench);
	assert_is_on(bench, "other");
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");

	/* And back. */
	assert_int_equal(move(bench, "vault"), 0);
	reopen(bench);
	assert_is_on(bench, "vault");
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
}

static void test_move_needs_a_reason_and_an_idle_store(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "b", "t");

	assert_int_equal(move(bench, "vault"), -EALREADY);
	assert_int_equal(move(bench, "unheardof"), -ENOTSUP);
	assert_int_equal(move(bench, "memory"), -EINVAL);
	assert_int_equal(store_put(bench->store, account, bench_done, bench), 0);
	assert_int_equal(store_move(bench->store, "other", bench_done, bench), -EBUSY);
	assert_int_equal(bench_wait(bench), 0);
	store_lock(bench->store);
	assert_int_equal(move(bench, "other"), -ENOKEY);
	bench_reopen(bench);
	assert_is_on(bench, "vault");
}

static void test_move_to_where_something_lies_touches_nothing(void **state) {
	struct bench *bench = *state;

	assert_int_equal(move(bench, "other"), 0);
	_cleanup_(contents_done) struct contents one = file_take(other_path("vault"));
	assert_int_equal(move(bench, "vault"), 0);
	file_give(other_path("vault"), one.bytes, one.size);
	assert_int_equal(move(bench, "other"), -EEXIST);
	assert_int_equal(store_state(bench->store), STORE_OPEN);
	_cleanup_(contents_done) struct contents now = file_take(other_path("vault"));
	assert_int_equal(now.size, one.size);
	assert_memory_equal(now.bytes, one.bytes, one.size);
	/* Damaged is not empty either. */
	file_give(other_path("vault"), "half", 4);
	assert_int_equal(move(bench, "other"), -EEXIST);
	assert_int_equal(access(other_path("vault"), F_OK), 0);
	assert_int_equal(unlink(other_path("vault")), 0);
	assert_is_on(bench, "vault");
}

static void test_move_that_fails_leaves_the_old_and_no_copy(void **state) {
	static const struct {
		struct faults faults;
		int error;
	} cases[] = {
		{{.load = -EIO}, -EIO},
		{{.save = -ENOSPC}, -ENOSPC},
		{{.lies = true}, -ESTALE},
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		other_faults = cases[i].faults;
		assert_int_equal(move(bench, "other"), cases[i].error);
		other_faults = (struct faults){0};
		if (store_state(bench->store) != STORE_OPEN)
			bench_reopen(bench);
		assert_is_on(bench, "vault");
		reopen(bench);
		assert_is_on(bench, "vault");
	}
	assert_int_equal(move(bench, "other"), 0);
	assert_is_on(bench, "other");
}

/* What a full disk or somebody's directory in its place makes of the record. */
static void test_move_that_cannot_be_recorded_does_not_happen(void **state) {
	struct bench *bench = *state;
	char new[128];

	(void) snprintf(new, sizeof(new), "%s/.local/state/cpub-agent/store.new", bench->home);
	assert_int_equal(mkdir(new, 0700), 0);
	assert_true(move(bench, "other") < 0);
	assert_int_equal(rmdir(new), 0);
	assert_is_on(bench, "vault");
}

static void test_move_is_done_though_the_old_one_cannot_be_erased_yet(void **state) {
	struct bench *bench = *state;
	struct choice choice;

	vault_faults.erase = -EIO;
	assert_int_equal(move(bench, "other"), 0);
	assert_string_equal(store_medium_name(bench->store), "other");
	assert_int_equal(choice_read(&choice), 0);
	assert_string_equal(choice.medium, "other");
	assert_string_equal(choice.leftover, "vault");
	/* A change keeps in mind what is to be done, and so does an unlock in vain. */
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	reopen(bench);
	while (sd_event_run(bench->event, 0) > 0)
		continue;
	assert_int_equal(access(vault_path("vault"), F_OK), 0);

	vault_faults.erase = 0;
	reopen(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "c", "token-c"), 0);
	while (sd_event_run(bench->event, 0) > 0)
		continue;
	assert_is_on(bench, "other");
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
}

static void test_move_whose_copy_cannot_be_erased_erases_it_later(void **state) {
	struct bench *bench = *state;

	other_faults = (struct faults){.lies = true, .erase = -EIO};
	assert_int_equal(move(bench, "other"), -ESTALE);
	assert_int_equal(access(other_path("vault"), F_OK), 0);
	other_faults = (struct faults){0};
	reopen(bench);
	while (sd_event_run(bench->event, 0) > 0)
		continue;
	assert_is_on(bench, "vault");
}

/* The other program has read the vault before, and knows nothing of the move. */
static void test_move_of_what_another_has_changed_is_undone(void **state) {
	struct bench *bench = *state;
	_cleanup_(store_freep) struct store *other = bench_other_store(bench);

	assert_int_equal(bench_load(bench, other), 0);
	assert_int_equal(store_unlock(other, bench->key), 0);
	assert_int_equal(bench_put(bench, other, SUITE_URL, "b", "token-b"), 0);
	assert_int_equal(move(bench, "other"), -ESTALE);
	assert_int_equal(store_state(bench->store), STORE_UNKNOWN);
	bench_reopen(bench);
	assert_is_on(bench, "vault");
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
}

/* Whatever lies there by now: only what the move left is erased. */
static void test_move_clears_no_store_of_others(void **state) {
	struct bench *bench = *state;
	struct choice choice = {.medium = "vault", .leftover = "other"};
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	struct kdf kdf;

	assert_int_equal(move(bench, "other"), 0);
	_cleanup_(contents_done) struct contents place = file_take(other_path("vault"));
	assert_int_equal(move(bench, "vault"), 0);
	kdf_init(&kdf);
	assert_int_equal(seal_new(&kdf, bench->key, &seal), 0);
	assert_int_equal(ledger_new(seal, &image), 0);
	assert_int_equal(manifest_write(image, seal, 1), 0);
	_cleanup_(contents_done) struct contents others = {0};
	assert_int_equal(image_encode(image, &others.bytes, &others.size), 0);
	file_give(other_path("vault"), others.bytes, others.size);
	choice.generation = store_generation(bench->store);
	assert_int_equal(choice_write(&choice), 0);
	reopen(bench);
	while (sd_event_run(bench->event, 0) > 0)
		continue;
	assert_int_equal(access(other_path("vault"), F_OK), 0);
	assert_int_equal(choice_read(&choice), 0);
	assert_string_equal(choice.leftover, "");

	/* But the copy of this very store is. */
	file_give(other_path("vault"), place.bytes, place.size);
	(void) snprintf(choice.leftover, sizeof(choice.leftover), "other");
	assert_int_equal(choice_write(&choice), 0);
	reopen(bench);
	while (sd_event_run(bench->event, 0) > 0)
		continue;
	assert_is_on(bench, "vault");
}

static void count(int error, void *userdata) {
	assert_int_equal(error, 0);
	++*(int *) userdata;
}

static void test_move_lets_others_wait_and_may_be_locked(void **state) {
	struct bench *bench = *state;
	int n_told = 0;

	assert_int_equal(store_move(bench->store, "other", bench_done, bench), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "t"), -EBUSY);
	assert_int_equal(store_move(bench->store, "other", bench_done, bench), -EBUSY);
	assert_int_equal(store_load(bench->store, false, count, &n_told), 0);
	store_lock(bench->store);
	assert_int_equal(bench_wait(bench), 0);
	while (n_told < 1)
		assert_true(sd_event_run(bench->event, 10 * 1000 * 1000) > 0);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_unlock(bench->store, bench->key), 0);
	assert_is_on(bench, "other");
}

static void not_wanted(int error, void *userdata) {
	(void) error;
	*(bool *) userdata = true;
}

static void test_move_may_be_cut_short_at_any_moment(void **state) {
	struct bench *bench = *state;
	bool is_called = false;

	for (int n = 0; n < 5; n++) {
		assert_int_equal(store_move(bench->store, "other", not_wanted, &is_called), 0);
		for (int i = 0; i < n && !is_called; i++)
			assert_true(sd_event_run(bench->event, 10 * 1000 * 1000) > 0);
		reopen(bench);
		while (sd_event_run(bench->event, 0) > 0)
			continue;
		assert_is_on(bench, store_medium_name(bench->store));
		if (strcmp(store_medium_name(bench->store), "other") == 0)
			assert_int_equal(move(bench, "vault"), 0);
		is_called = false;
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, move_up, move_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_move_takes_all_along_and_erases_the_old),
		CASE(test_move_needs_a_reason_and_an_idle_store),
		CASE(test_move_to_where_something_lies_touches_nothing),
		CASE(test_move_that_fails_leaves_the_old_and_no_copy),
		CASE(test_move_that_cannot_be_recorded_does_not_happen),
		CASE(test_move_is_done_though_the_old_one_cannot_be_erased_yet),
		CASE(test_move_whose_copy_cannot_be_erased_erases_it_later),
		CASE(test_move_of_what_another_has_changed_is_undone),
		CASE(test_move_clears_no_store_of_others),
		CASE(test_move_lets_others_wait_and_may_be_locked),
		CASE(test_move_may_be_cut_short_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
