/*
 * Built without the sanitizers, together with secret.c: they turn mlock into a
 * call that does nothing, and have no eyes for guarded memory anyway.
 */

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/secret.h"

#define NOBODY 65534

/* Runs `work` in a child; returns its wait status. */
static int in_child(int (*work)(void)) {
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka's handler would print and go on; we want to die of it. */
		(void) signal(SIGSEGV, SIG_DFL);
		_exit(work());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_secret_starts_with_zeros(void **state) {
	static const uint8_t zeros[5000];

	(void) state;
	/* Several, so that memory used before would come back. */
	for (size_t size = 1; size <= sizeof(zeros); size += 833) {
		_cleanup_(secret_freep) struct secret *secret = NULL;

		assert_int_equal(secret_new(size, &secret), 0);
		assert_int_equal(secret_size(secret), size);
		assert_memory_equal(secret_peek(secret), zeros, size);
		memset(secret_bytes(secret), 0xaa, size);
	}
}

static void test_secret_of_no_bytes_is_refused(void **state) {
	struct secret *secret = NULL;

	(void) state;
	assert_int_equal(secret_new(0, &secret), -EINVAL);
	assert_null(secret);
}

static void test_secret_copies_and_leaves_the_original(void **state) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	char original[] = "hunter2";

	(void) state;
	assert_int_equal(secret_from(original, 7, &secret), 0);
	assert_string_equal(original, "hunter2");
	original[0] = 'H';
	assert_memory_equal(secret_peek(secret), "hunter2", 7);
}

static void test_secret_shrink_wipes_what_is_cut_off(void **state) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	const uint8_t *bytes;

	(void) state;
	assert_int_equal(secret_from("hunter2", 7, &secret), 0);
	bytes = secret_peek(secret);
	secret_shrink(secret, 3);
	assert_int_equal(secret_size(secret), 3);
	assert_memory_equal(bytes, "hun\0\0\0\0", 7);
	secret_shrink(secret, 5); /* Never longer. */
	assert_int_equal(secret_size(secret), 3);
	secret_shrink(secret, 0);
	assert_int_equal(secret_size(secret), 0);
	assert_memory_equal(bytes, "\0\0\0\0\0\0\0", 7);
}

static void test_secret_equal_compares_size_and_bytes(void **state) {
	static const struct {
		const char *text;
		size_t size;
		bool is_equal;
	} cases[] = {{"hunter2", 7, true}, {"hunter3", 7, false}, {"Hunter2", 7, false},
		{"hunter", 6, false}, {"hunter22", 8, false}};
	_cleanup_(secret_freep) struct secret *secret = NULL;

	(void) state;
	assert_int_equal(secret_from("hunter2", 7, &secret), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(secret_freep) struct secret *other = NULL;

		assert_int_equal(secret_from(cases[i].text, cases[i].size, &other), 0);
		assert_int_equal(secret_equal(secret, other), cases[i].is_equal);
		assert_int_equal(secret_equal(other, secret), cases[i].is_equal);
	}
}

static void test_secret_free_takes_null(void **state) {
	(void) state;
	assert_null(secret_free(NULL));
}

static int read_after_free(void) {
	struct secret *secret;
	const volatile uint8_t *bytes;

	if (secret_from("hunter2", 7, &secret) < 0)
		return 1;
	bytes = secret_peek(secret);
	secret_free(secret);
	return bytes[0] == 'h' ? 2 : 3;
}

static int read_past_the_end(void) {
	struct secret *secret;
	const volatile uint8_t *bytes;

	if (secret_new(16, &secret) < 0)
		return 1;
	bytes = secret_peek(secret);
	return bytes[16];
}

static void test_secret_memory_is_gone_after_free(void **state) {
	int status = in_child(read_after_free);

	(void) state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void test_secret_ends_at_a_guard(void **state) {
	int status = in_child(read_past_the_end);

	(void) state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* As an ordinary user who may lock nothing: 0 if each is counted, and only while it lives. */
static int count_unlocked(void) {
	const struct rlimit none = {0, 0};
	struct secret *first, *second;

	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
		return 1;
	/* root may lock in spite of the limit. */
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return 2;
	if (secret_n_unlocked() != 0)
		return 3;
	if (secret_from("hunter2", 7, &first) < 0 || secret_n_unlocked() != 1)
		return 4;
	if (secret_new(9, &second) < 0 || secret_n_unlocked() != 2)
		return 5;
	if (memcmp(secret_peek(first), "hunter2", 7) != 0)
		return 6;
	secret_free(first);
	if (secret_n_unlocked() != 1)
		return 7;
	secret_free(second);
	return secret_n_unlocked() == 0 ? 0 : 8;
}

static void test_secret_counts_what_it_could_not_lock(void **state) {
	int status = in_child(count_unlocked);

	(void) state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_secret_locks_where_it_may(void **state) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	struct rlimit limit;

	(void) state;
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (geteuid() != 0 && limit.rlim_cur < 64 * 1024) {
		print_message("SKIP: this user may lock only %lu bytes\n",
			(unsigned long) limit.rlim_cur);
		skip();
	}
	assert_int_equal(secret_new(32, &secret), 0);
	assert_int_equal(secret_n_unlocked(), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret_starts_with_zeros),
		cmocka_unit_test(test_secret_of_no_bytes_is_refused),
		cmocka_unit_test(test_secret_copies_and_leaves_the_original),
		cmocka_unit_test(test_secret_shrink_wipes_what_is_cut_off),
		cmocka_unit_test(test_secret_equal_compares_size_and_bytes),
		cmocka_unit_test(test_secret_free_takes_null),
		cmocka_unit_test(test_secret_memory_is_gone_after_free),
		cmocka_unit_test(test_secret_ends_at_a_guard),
		cmocka_unit_test(test_secret_counts_what_it_could_not_lock),
		cmocka_unit_test(test_secret_locks_where_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
