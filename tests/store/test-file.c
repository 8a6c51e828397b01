/* What only the vault can do or suffer: other programs, other users, full disks. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/store/choice.h"
#include "store-suite.h"
#include "vault.h"

#define NOBODY 65534

static int file_up(void **state) {
	*state = bench_up("vault");
	return 0;
}

static int file_down(void **state) {
	bench_down(*state);
	return 0;
}

static mode_t mode_of(const char *path) {
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

static void assert_broken(struct bench *bench, int error) {
	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_BROKEN);
	assert_int_equal(store_error(bench->store), error);
	assert_null(store_kdf(bench->store));
	assert_false(store_has_url(bench->store, SUITE_URL));
	/* And nothing is made in its place. */
	assert_int_equal(bench_create(bench, bench->store), -EEXIST);
}

static void test_vault_survives_a_restart(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", SUITE_TOKEN), 0);
	bench_restart(bench);
	bench_reopen(bench);
	bench_assert_holds(bench->store, SUITE_URL, "a", SUITE_TOKEN);
}

static void test_vault_is_private(void **state) {
	struct bench *bench = *state;
	mode_t mask = umask(0);

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", SUITE_TOKEN), 0);
	(void) umask(mask);
	assert_string_equal(store_path(bench->store), vault_path("vault"));
	assert_int_equal(mode_of(vault_path("vault")), 0600);
	assert_int_equal(mode_of(vault_path(".")), 0700);
	assert_int_equal(access(vault_path("vault.new"), F_OK), -1);
}

static void assert_unreadable(const struct contents *contents) {
	static const char *const words[] = {SUITE_URL, "registry-of-the-suite", "example",
		"api-of-the-suite", "an-account", SUITE_TOKEN, "cio-"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_null(memmem(contents->bytes, contents->size, words[i], strlen(words[i])));
}

static int n_files_seen;

static int look_at(const char *path, const struct stat *status, int type, struct FTW *ftw) {
	(void) status;
	(void) ftw;
	if (type == FTW_F) {
		_cleanup_(contents_done) struct contents contents = file_take(path);

		assert_unreadable(&contents);
		n_files_seen++;
	}
	return 0;
}

static void test_vault_shows_no_registry_account_or_token(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "an-account", SUITE_TOKEN), 0);
	n_files_seen = 0;
	assert_int_equal(nftw(bench->home, look_at, 16, FTW_PHYS), 0);
	assert_in_range(n_files_seen, 2, 10); /* The vault and the choice at least. */
}

static void test_vault_made_meanwhile_is_not_overwritten(void **state) {
	struct bench *bench = *state;
	_cleanup_(store_freep) struct store *other = bench_other_store(bench);

	assert_int_equal(bench_load(bench, other), 0);
	assert_int_equal(store_state(other), STORE_ABSENT);
	bench_create_open(bench);
	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	assert_int_equal(bench_create(bench, other), -EEXIST);
	assert_int_not_equal(store_state(other), STORE_OPEN);
	vault_assert_is(&before);
}

static void test_vault_changed_by_another_program_is_not_overwritten(void **state) {
	struct bench *bench = *state;
	_cleanup_(store_freep) struct store *other = bench_other_store(bench);
	struct account *account = NULL;

	bench_create_open(bench);
	assert_int_equal(bench_load(bench, other), 0);
	assert_int_equal(store_unlock(other, bench->key), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);

	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	assert_int_equal(bench_put(bench, other, SUITE_URL, "b", "token-b"), -ESTALE);
	vault_assert_is(&before);
	assert_int_not_equal(store_state(other), STORE_OPEN);
	assert_int_equal(store_find(other, SUITE_URL, "b", true, &account), -ENOKEY);
	assert_null(account);

	/* Read again, it holds what the first one wrote, and can be changed. */
	assert_int_equal(bench_load(bench, other), 0);
	assert_int_equal(store_unlock(other, bench->key), 0);
	bench_assert_holds(other, SUITE_URL, "a", "token-a");
	assert_int_equal(bench_put(bench, other, SUITE_URL, "b", "token-b"), 0);
	bench_assert_holds(other, SUITE_URL, "a", "token-a");
}

/* The other program is quicker than our reading back. Its change must not be lost by our next. */
static void test_vault_changed_before_the_read_back_is_not_overwritten(void **state) {
	struct bench *bench = *state;
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "a", "token-a");

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	_cleanup_(contents_done) struct contents others = file_take(vault_path("vault"));
	assert_int_equal(bench_erase(bench, bench->store, SUITE_URL, "b"), 0);

	assert_int_equal(store_put(bench->store, account, bench_done, bench), 0);
	file_give(vault_path("vault"), others.bytes, others.size);
	assert_true(bench_wait(bench) < 0);
	assert_true(bench_put(bench, bench->store, SUITE_URL, "c", "token-c") < 0);
	vault_assert_is(&others);
}

/*
 * A look that is under way has read what the other program wrote; what is
 * unlocked meanwhile is older. That program has a state folder of its own, so
 * the generation that we remember does not tell.
 */
static void test_vault_changed_before_an_unlock_is_not_overwritten(void **state) {
	struct bench *bench = *state;
	_cleanup_(store_freep) struct store *other = bench_other_store(bench);
	struct choice choice;

	bench_create_open(bench);
	assert_int_equal(bench_load(bench, other), 0);
	assert_int_equal(choice_read(&choice), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	assert_int_equal(choice_write(&choice), 0);

	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	assert_int_equal(store_load(other, false, bench_done, bench), 0);
	assert_int_equal(store_unlock(other, bench->key), 0);
	assert_int_equal(bench_wait(bench), 0);
	assert_true(bench_put(bench, other, SUITE_URL, "b", "token-b") < 0);
	vault_assert_is(&before);
}

static void test_vault_that_is_gone_is_not_taken_for_none(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(unlink(vault_path("vault")), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "t"), -ESTALE);
	assert_int_equal(access(vault_path("vault"), F_OK), -1);
	assert_int_not_equal(store_state(bench->store), STORE_OPEN);
	assert_broken(bench, -ENOENT);
}

/* Unlocking one that came with a backup remembers it as well. */
static void test_vault_once_unlocked_is_missed_when_gone(void **state) {
	struct bench *bench = *state;
	char choice[128];

	bench_create_open(bench);
	(void) snprintf(choice, sizeof(choice), "%s/.local/state/cpub-agent/store", bench->home);
	assert_int_equal(unlink(choice), 0);
	bench_restart(bench);
	bench_reopen(bench);
	assert_int_equal(access(choice, F_OK), 0);
	assert_int_equal(unlink(vault_path("vault")), 0);
	assert_broken(bench, -ENOENT);
}

static void test_vault_is_missed_even_when_the_record_of_it_is_unreadable(void **state) {
	struct bench *bench = *state;
	char choice[128];

	bench_create_open(bench);
	(void) snprintf(choice, sizeof(choice), "%s/.local/state/cpub-agent/store", bench->home);
	file_give(choice, "garbage", 7);
	bench_restart(bench);
	bench_reopen(bench);
	file_give(choice, "garbage", 7);
	assert_int_equal(unlink(vault_path("vault")), 0);
	assert_broken(bench, -ENOENT);
}

/* A choice is never switched silently, not even to a vault that lies there. */
static void test_vault_is_not_used_where_another_medium_was_chosen(void **state) {
	struct bench *bench = *state;
	const struct choice choice = {.medium = "unheardof", .generation = 1};

	bench_create_open(bench);
	assert_int_equal(choice_write(&choice), 0);
	assert_broken(bench, -ENOTSUP);
}

static void test_vault_that_others_can_read_is_refused(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	assert_int_equal(chmod(vault_path("vault"), 0640), 0);
	assert_broken(bench, -EACCES);
	assert_int_equal(chmod(vault_path("vault"), 0600), 0);
	assert_int_equal(chmod(vault_path("."), 0755), 0);
	assert_broken(bench, -EACCES);
	assert_int_equal(chmod(vault_path("."), 0700), 0);
	bench_restart(bench);
	bench_reopen(bench);
}

static void test_vault_that_is_no_file_is_refused(void **state) {
	struct bench *bench = *state;
	char away[256];

	bench_create_open(bench);
	(void) snprintf(away, sizeof(away), "%s", vault_path("away"));
	assert_int_equal(rename(vault_path("vault"), away), 0);
	assert_int_equal(symlink("away", vault_path("vault")), 0);
	assert_broken(bench, -EACCES);
	assert_int_equal(unlink(vault_path("vault")), 0);
	assert_int_equal(mkdir(vault_path("vault"), 0700), 0);
	assert_broken(bench, -EACCES);
	assert_int_equal(rmdir(vault_path("vault")), 0);
	assert_int_equal(mkfifo(vault_path("vault"), 0600), 0);
	(void) alarm(20); /* Opening it for reading would wait for ever. */
	assert_broken(bench, -EACCES);
	(void) alarm(0);
}

static void test_vault_load_removes_what_a_crash_left(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	file_give(vault_path("vault.new"), "half a va", 9);
	bench_restart(bench);
	bench_reopen(bench);
	assert_int_equal(access(vault_path("vault.new"), F_OK), -1);
}

/* Then it is no leftover, but somebody's save under way. */
static void test_vault_load_leaves_the_new_file_of_a_running_save(void **state) {
	struct bench *bench = *state;
	_cleanup_(fd_closep) int lock = -1;

	bench_create_open(bench);
	lock = open(vault_path("vault.lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	file_give(vault_path("vault.new"), "half a va", 9);
	bench_restart(bench);
	bench_reopen(bench);
	assert_int_equal(access(vault_path("vault.new"), F_OK), 0);
}

static void assert_put_fails(struct bench *bench, int error, const struct contents *before) {
	struct account *account = NULL;

	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), error);
	vault_assert_is(before);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	assert_int_equal(store_find(bench->store, SUITE_URL, "b", true, &account), -ENOENT);
}

static void test_vault_being_saved_by_another_program_is_left_alone(void **state) {
	struct bench *bench = *state;
	_cleanup_(fd_closep) int lock = -1;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	lock = open(vault_path("vault.lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	assert_put_fails(bench, -EBUSY, &before);
	lock = fd_close(lock);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
}

static void test_vault_stays_as_it_was_when_the_disk_is_full(void **state) {
	struct bench *bench = *state;
	struct rlimit limit, full;

	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	_cleanup_(contents_done) struct contents before = file_take(vault_path("vault"));
	assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	full = limit;
	full.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	vault_assert_is(&before);
	assert_int_equal(access(vault_path("vault.new"), F_OK), -1);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
	bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
}

/* In a child: root would write anyway. A failed assertion there ends it with a status not 0. */
static void test_vault_stays_as_it_was_in_a_folder_that_cannot_be_written(void **state) {
	pid_t pid = fork();
	int status;

	(void) state;
	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0)
			assert_true(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
				    setuid(NOBODY) == 0);
		struct bench *bench = bench_up("vault");

		bench_create_open(bench);
		assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
		struct contents before = file_take(vault_path("vault"));
		assert_int_equal(chmod(vault_path("."), 0500), 0);
		assert_put_fails(bench, -EACCES, &before);
		assert_int_equal(chmod(vault_path("."), 0700), 0);
		assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "b", "token-b"), 0);
		bench_down(bench);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What the vault remembers of its generations is nothing to a store in memory. */
static void test_vault_does_not_keep_a_store_in_memory_locked(void **state) {
	struct bench *bench = *state;

	bench_create_open(bench);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "t"), 0);
	bench->medium = "memory";
	bench_restart(bench);
	bench_create_open(bench);
	store_lock(bench->store);
	assert_int_equal(store_unlock(bench->store, bench->key), 0);
	bench->medium = "vault";
	bench_restart(bench);
	bench_reopen(bench);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, file_up, file_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_vault_survives_a_restart),
		CASE(test_vault_is_private),
		CASE(test_vault_shows_no_registry_account_or_token),
		CASE(test_vault_made_meanwhile_is_not_overwritten),
		CASE(test_vault_changed_by_another_program_is_not_overwritten),
		CASE(test_vault_changed_before_the_read_back_is_not_overwritten),
		CASE(test_vault_changed_before_an_unlock_is_not_overwritten),
		CASE(test_vault_that_is_gone_is_not_taken_for_none),
		CASE(test_vault_once_unlocked_is_missed_when_gone),
		CASE(test_vault_is_missed_even_when_the_record_of_it_is_unreadable),
		CASE(test_vault_is_not_used_where_another_medium_was_chosen),
		CASE(test_vault_that_others_can_read_is_refused),
		CASE(test_vault_that_is_no_file_is_refused),
		CASE(test_vault_load_removes_what_a_crash_left),
		CASE(test_vault_load_leaves_the_new_file_of_a_running_save),
		CASE(test_vault_being_saved_by_another_program_is_left_alone),
		CASE(test_vault_stays_as_it_was_when_the_disk_is_full),
		CASE(test_vault_stays_as_it_was_in_a_folder_that_cannot_be_written),
		CASE(test_vault_does_not_keep_a_store_in_memory_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
