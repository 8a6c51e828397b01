#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/account.h"
#include "agent/child.h"
#include "agent/store/medium.h"
#include "protocol/secret.h"
#include "store-suite.h"

/* Far longer than anything here takes. */
#define LIMIT_USEC ((uint64_t) 30 * 1000 * 1000)

/* What bench_done was told last. */
static struct {
	bool is_done;
	int error;
} last;

static struct secret *new_key(uint8_t byte) {
	struct secret *key = NULL;

	assert_int_equal(secret_new(SEAL_KEY_SIZE, &key), 0);
	memset(secret_bytes(key), byte, SEAL_KEY_SIZE);
	return key;
}

void bench_make_keys(struct bench *bench) {
	bench->key = new_key(0x11);
	bench->wrong_key = new_key(0x12);
}

/* Where the workers are, from where this test is: a worker is a child as the agent has it. */
static char *programs(void) {
	static char path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	sigset_t mask;

	assert_true(n > 0);
	path[n] = '\0';
	assert_non_null(strrchr(path, '/'));
	(void) strcpy(strrchr(path, '/'), "/../libexec/cpub-agent");
	assert_int_equal(sigemptyset(&mask), 0);
	assert_int_equal(sigaddset(&mask, SIGCHLD), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
	return path;
}

struct bench *bench_up(const char *medium) {
	static struct bench bench;

	bench = (struct bench){.medium = medium};
	/* In memory where there is such a place: thousands of saves wait for no disk. */
	(void) snprintf(bench.home, sizeof(bench.home), "%s/test-store-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	last.is_done = false;
	assert_non_null(mkdtemp(bench.home));
	assert_int_equal(setenv("HOME", bench.home, 1), 0);
	assert_int_equal(setenv("XDG_DATA_HOME", bench.home, 1), 0);
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_true(sd_event_new(&bench.event) >= 0);
	bench.agent = (struct agent){.event = bench.event, .program_directory = programs()};
	assert_int_equal(store_new(&bench.agent, medium, &bench.store), 0);
	bench_make_keys(&bench);
	return &bench;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw) {
	(void) status;
	(void) type;
	(void) ftw;
	return remove(path);
}

static void looked(int error, struct image *image, void *userdata) {
	image_free(image);
	bench_done(error, userdata);
}

/* A keyring is not gone with the home. */
static void empty_keyring(struct bench *bench) {
	struct medium *medium = NULL;

	assert_int_equal(medium_new("keyring", &bench->agent, &medium), 0);
	assert_int_equal(medium_load(medium, looked, bench), 0);
	(void) bench_wait(bench); /* Whatever is there goes. */
	assert_int_equal(medium_erase(medium, looked, bench), 0);
	assert_int_equal(bench_wait(bench), 0);
	medium_free(medium);
}

void bench_down(struct bench *bench) {
	bool is_in_keyring = strcmp(bench->medium, "keyring") == 0;

	store_free(bench->store);
	if (is_in_keyring)
		empty_keyring(bench);
	child_end_all(&bench->agent);
	sd_event_unref(bench->event);
	secret_free(bench->key);
	secret_free(bench->wrong_key);
	(void) nftw(
		bench->home, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* Only a leftover in /tmp. */
}

struct store *bench_other_store(struct bench *bench) {
	struct store *store = NULL;

	assert_int_equal(store_new(&bench->agent, bench->medium, &store), 0);
	return store;
}

void bench_restart(struct bench *bench) {
	store_free(bench->store);
	bench->store = bench_other_store(bench);
	assert_int_equal(store_state(bench->store), STORE_UNKNOWN);
}

void bench_done(int error, void *userdata) {
	(void) userdata;
	assert_false(last.is_done); /* Never twice. */
	last.is_done = true;
	last.error = error;
}

int bench_wait(struct bench *bench) {
	assert_false(last.is_done); /* Never from within the call. */
	while (!last.is_done)
		assert_true(sd_event_run(bench->event, LIMIT_USEC) > 0);
	last.is_done = false;
	return last.error;
}

static int finish(struct bench *bench, int r) {
	return r < 0 ? r : bench_wait(bench);
}

int bench_load(struct bench *bench, struct store *store) {
	return finish(bench, store_load(store, false, bench_done, bench));
}

int bench_create(struct bench *bench, struct store *store) {
	struct kdf kdf;

	kdf_init(&kdf);
	return finish(
		bench, store_create(store, bench->medium, &kdf, bench->key, bench_done, bench));
}

struct account *bench_account(const char *url, const char *name, const char *token) {
	struct account *account = account_new(url, name);

	assert_non_null(account);
	account->api = strdup(SUITE_API);
	assert_non_null(account->api);
	account->added = 1700000000;
	assert_int_equal(secret_from(token, strlen(token), &account->token), 0);
	return account;
}

int bench_put(struct bench *bench, struct store *store, const char *url, const char *name,
	const char *token) {
	_cleanup_(account_freep) struct account *account = bench_account(url, name, token);

	return finish(bench, store_put(store, account, bench_done, bench));
}

int bench_erase(struct bench *bench, struct store *store, const char *url, const char *name) {
	return finish(bench, store_erase(store, url, name, bench_done, bench));
}

void bench_create_open(struct bench *bench) {
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_ABSENT);
	assert_int_equal(bench_create(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_OPEN);
}

void bench_reopen(struct bench *bench) {
	assert_int_equal(bench_load(bench, bench->store), 0);
	assert_int_equal(store_state(bench->store), STORE_LOCKED);
	assert_int_equal(store_unlock(bench->store, bench->key), 0);
	assert_int_equal(store_state(bench->store), STORE_OPEN);
}

void bench_assert_holds(
	const struct store *store, const char *url, const char *name, const char *token) {
	_cleanup_(account_freep) struct account *account = NULL;

	assert_int_equal(store_find(store, url, name, true, &account), 0);
	assert_string_equal(account->url, url);
	assert_string_equal(account->name, name);
	assert_string_equal(account->api, SUITE_API);
	assert_int_equal(account->added, 1700000000);
	assert_int_equal(secret_size(account->token), strlen(token));
	assert_memory_equal(secret_peek(account->token), token, strlen(token));
}
