/*
 * SIGKILL at every system call of a change. A child opens the store and makes
 * one change, traced; it is killed at its first stop behind the opening, a new
 * child at the second, and so on, until one comes through. What each leaves is
 * the store as it was or as it should be, and after one more start and save
 * nothing else.
 */

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/home.h"
#include "agent/store/choice.h"
#include "other-medium.h"
#include "protocol/secret.h"
#include "store-suite.h"
#include "vault.h"

/* Far more than any change has. */
#define STOPS_MAX 5000
#define STOPS_UNSURE 8

/* The files before the change; none where there was no store. */
static struct {
	bool is_there;
	struct contents vault;
	char choice_path[128];
	struct contents choice;
	uint64_t generation;
} before;

static int killed_up(void **state) {
	struct bench *bench = bench_up("vault");

	before.is_there = false;
	(void) snprintf(before.choice_path, sizeof(before.choice_path),
		"%s/.local/state/cpub-agent/store", bench->home);
	*state = bench;
	return 0;
}

static int killed_down(void **state) {
	if (before.is_there) {
		contents_done(&before.vault);
		contents_done(&before.choice);
	}
	bench_down(*state);
	return 0;
}

static void remember(struct bench *bench) {
	bench_create_open(bench);
	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "a", "token-a"), 0);
	before.is_there = true;
	before.vault = file_take(vault_path("vault"));
	before.choice = file_take(before.choice_path);
	before.generation = store_generation(bench->store);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw) {
	(void) status;
	(void) type;
	return ftw->level == 0 ? 0 : remove(path);
}

static void restore(struct bench *bench) {
	_cleanup_(fd_closep) int data = -1, state = -1;

	assert_int_equal(nftw(bench->home, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	if (!before.is_there)
		return;
	assert_int_equal(home_open(HOME_DATA, true, &data), 0);
	assert_int_equal(home_open(HOME_STATE, true, &state), 0);
	file_give(vault_path("vault"), before.vault.bytes, before.vault.size);
	file_give(before.choice_path, before.choice.bytes, before.choice.size);
}

static int start_put(struct bench *bench) {
	_cleanup_(account_freep) struct account *account = bench_account(SUITE_URL, "b", "token-b");

	return store_put(bench->store, account, bench_done, bench);
}

static int start_rekey(struct bench *bench) {
	struct kdf kdf;

	kdf_init(&kdf);
	return store_rekey(bench->store, &kdf, bench->wrong_key, bench_done, bench);
}

static int start_create(struct bench *bench) {
	struct kdf kdf;

	kdf_init(&kdf);
	return store_create(bench->store, "vault", &kdf, bench->key, bench_done, bench);
}

static int start_move(struct bench *bench) {
	return store_move(bench->store, "other", bench_done, bench);
}

/* In the child, with nothing of the parent's loop. Stops itself when the store is open. */
__attribute__((noreturn)) static void run_child(
	const struct bench *parents, int (*start)(struct bench *bench)) {
	struct bench bench = *parents;

	bench_make_keys(&bench);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(2);
	if (sd_event_new(&bench.event) < 0)
		_exit(2);
	bench.agent.event = bench.event;
	bench.store = bench_other_store(&bench);
	assert_int_equal(bench_load(&bench, bench.store), 0);
	if (before.is_there)
		assert_int_equal(store_unlock(bench.store, bench.key), 0);
	(void) raise(SIGSTOP);
	_exit(start(&bench) < 0 || bench_wait(&bench) < 0);
}

static int wait_for(pid_t pid) {
	int status = 0;

	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	return status;
}

/* Runs the change until stop number `n` of it. False if it came to its end before. */
static bool run_until(const struct bench *bench, int (*start)(struct bench *bench), int n) {
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		run_child(bench, start);
	for (int i = 0; i < 2; i++) {
		status = wait_for(pid);
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
					 PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD),
			0);
		if (i == 0)
			assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	}
	for (int i = 0; i < n; i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		status = wait_for(pid);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		/* The entry or the exit of a system call. */
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	status = wait_for(pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return true;
}

static void assert_only(const char *folder, const char *one, const char *other) {
	DIR *directory = opendir(folder);
	struct dirent *entry;

	if (!directory)
		return; /* Then nothing is in it. */
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, one) != 0 &&
			strcmp(entry->d_name, other) != 0)
			fail_msg("'%s' was left in '%s'", entry->d_name, folder);
	}
	(void) closedir(directory);
}

/* One more save, and nothing is there but the store and what is recorded of it. */
static void assert_nothing_left(struct bench *bench) {
	char folder[160];

	assert_int_equal(bench_put(bench, bench->store, SUITE_URL, "last", "token-z"), 0);
	while (sd_event_run(bench->event, 0) > 0)
		continue;
	bench_assert_holds(bench->store, SUITE_URL, "last", "token-z");
	assert_only(vault_path(""), "vault", "vault.lock");
	assert_only(other_path(""), "vault", "vault.lock");
	(void) snprintf(folder, sizeof(folder), "%s/.local/state/cpub-agent", bench->home);
	assert_only(folder, "store", "store");
	assert_int_not_equal(access(vault_path("vault"), F_OK), access(other_path("vault"), F_OK));
}

/* Never newer than what is there: it would be refused as older than the newest seen. */
static void assert_record_is_not_ahead(const struct bench *bench) {
	struct choice choice;

	if (choice_read(&choice) == 0)
		assert_true(choice.generation <= store_generation(bench->store));
}

static void load(struct bench *bench, enum store_state state) {
	bench_restart(bench);
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), state);
}

/* Whether the store is the new one; fails unless it is that or the old one. */
static bool put_is_done(struct bench *bench) {
	bool is_new;

	load(bench, STORE_LOCKED);
	assert_int_equal(store_unlock(bench->store, bench->key), 0);
	is_new = store_generation(bench->store) == before.generation + 1;
	assert_true(is_new || store_generation(bench->store) == before.generation);
	assert_int_equal(store_n_accounts(bench->store), is_new ? 2 : 1);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	if (is_new)
		bench_assert_holds(bench->store, SUITE_URL, "b", "token-b");
	return is_new;
}

static bool rekey_is_done(struct bench *bench) {
	bool is_new;

	load(bench, STORE_LOCKED);
	is_new = store_check_key(bench->store, bench->key) == -EKEYREJECTED;
	assert_int_equal(
		store_unlock(bench->store, is_new ? bench->wrong_key : bench->key), 0);
	assert_int_equal(store_generation(bench->store), before.generation + (is_new ? 1 : 0));
	assert_int_equal(store_n_accounts(bench->store), 1);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	return is_new;
}

static bool create_is_done(struct bench *bench) {
	bool is_new = access(vault_path("vault"), F_OK) == 0;

	load(bench, is_new ? STORE_LOCKED : STORE_ABSENT);
	if (is_new)
		assert_int_equal(store_unlock(bench->store, bench->key), 0);
	else
		assert_int_equal(bench_create(bench, bench->store), 0);
	assert_int_equal(store_n_accounts(bench->store), 0);
	return is_new;
}

static bool move_is_done(struct bench *bench) {
	load(bench, STORE_LOCKED);
	assert_int_equal(store_unlock(bench->store, bench->key), 0);
	assert_int_equal(store_generation(bench->store), before.generation);
	assert_int_equal(store_n_accounts(bench->store), 1);
	bench_assert_holds(bench->store, SUITE_URL, "a", "token-a");
	return strcmp(store_medium_name(bench->store), "other") == 0;
}

static void kill_everywhere(struct bench *bench, int (*start)(struct bench *bench),
	bool (*is_done)(struct bench *bench)) {
	int n_old = 0, n_new = 0, n_back = 0;
	bool was_killed = true;

	for (int n = 1; was_killed; n++) {
		bool is_new;

		assert_in_range(n, 1, STOPS_MAX);
		restore(bench);
		was_killed = run_until(bench, start, n);
		is_new = is_done(bench);
		assert_record_is_not_ahead(bench);
		assert_nothing_left(bench);
		/*
		 * Once it has happened, no later kill makes it unhappen. "Later" is a guess by
		 * a few calls: those of the memory allocator come and go from run to run.
		 */
		if (!is_new && n_new > 0)
			n_back++;
		assert_in_range(n_back, 0, STOPS_UNSURE);
		if (is_new)
			n_new++;
		else
			n_old++;
	}
	print_message("# killed %d times: %d times the old store, then the new one\n",
		n_old + n_new - 1, n_old);
	assert_in_range(n_old, 20, STOPS_MAX); /* Else the loop has not seen the save. */
	assert_in_range(n_new, 10, STOPS_MAX);
}

static void test_killed_in_a_put_leaves_the_old_or_the_new(void **state) {
	remember(*state);
	kill_everywhere(*state, start_put, put_is_done);
}

static void test_killed_in_a_rekey_leaves_the_old_or_the_new(void **state) {
	remember(*state);
	kill_everywhere(*state, start_rekey, rekey_is_done);
}

static void test_killed_in_a_create_leaves_none_or_the_new(void **state) {
	kill_everywhere(*state, start_create, create_is_done);
}

static void test_killed_in_a_move_leaves_one_and_records_it(void **state) {
	remember(*state);
	kill_everywhere(*state, start_move, move_is_done);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, killed_up, killed_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_killed_in_a_put_leaves_the_old_or_the_new),
		CASE(test_killed_in_a_rekey_leaves_the_old_or_the_new),
		CASE(test_killed_in_a_create_leaves_none_or_the_new),
		CASE(test_killed_in_a_move_leaves_one_and_records_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
