#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/credential.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define NAME "cpub-passphrase"

/* The credentials' folder of each test, in which it is. */
static char folder[64];

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw) {
	(void) status;
	(void) type;
	(void) ftw;
	return remove(path);
}

static int folder_up(void **state) {
	(void) state;
	(void) snprintf(folder, sizeof(folder), "/tmp/test-credential-XXXXXX");
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	return setenv("CREDENTIALS_DIRECTORY", folder, 1);
}

static int folder_down(void **state) {
	(void) state;
	if (chdir("/") < 0)
		return -1;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const void *bytes, size_t size) {
	_cleanup_(fd_closep) int fd = open(NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0400);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
}

static void assert_read(const void *expected, size_t size) {
	_cleanup_(secret_freep) struct secret *secret = NULL;

	assert_int_equal(credential_read(&secret), 0);
	assert_int_equal(secret_size(secret), size);
	assert_memory_equal(secret_peek(secret), expected, size);
}

static void assert_refused(int error) {
	struct secret *secret = NULL;

	assert_int_equal(credential_read(&secret), error);
	assert_null(secret);
}

static void test_credential_loses_one_line_end(void **state) {
	static const struct {
		const char *file, *passphrase;
	} cases[] = {
		{"correct horse", "correct horse"},
		{"correct horse\n", "correct horse"},
		{"correct horse\r\n", "correct horse"},
		{" x \t", " x \t"},
		{"x\r", "x\r"},
		{"x\r\r\n", "x\r"},
		{"\xc3\xa4", "\xc3\xa4"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(cases[i].file, strlen(cases[i].file));
		assert_read(cases[i].passphrase, strlen(cases[i].passphrase));
		assert_int_equal(unlink(NAME), 0);
	}
}

static void test_credential_is_one_line_of_1_to_1024_bytes(void **state) {
	char longest[TOKEN_MAX + 3];

	(void) state;
	memset(longest, 'p', sizeof(longest));
	memcpy(longest + TOKEN_MAX, "\r\n", 2);
	put(longest, TOKEN_MAX + 2);
	assert_read(longest, TOKEN_MAX);
	assert_int_equal(unlink(NAME), 0);

	longest[TOKEN_MAX] = 'p';
	static const struct {
		const char *bytes;
		size_t size;
	} wrong[] = {
		{"", 0}, {"\n", 1}, {"\r\n", 2}, {"a\n\n", 3}, {"a\nb", 3}, {"a\0b", 3}, {"\0", 1}};
	put(longest, TOKEN_MAX + 1);
	assert_refused(-EBADMSG);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(unlink(NAME), 0);
		put(wrong[i].bytes, wrong[i].size);
		assert_refused(-EBADMSG);
	}
}

static void test_credential_is_a_file_and_no_link(void **state) {
	(void) state;
	put("secret", 6);
	assert_int_equal(rename(NAME, "other"), 0);
	assert_int_equal(symlink("other", NAME), 0);
	assert_refused(-EBADMSG);
	assert_int_equal(unlink(NAME), 0);
	assert_int_equal(mkdir(NAME, 0700), 0);
	assert_refused(-EBADMSG);
	assert_int_equal(rmdir(NAME), 0);
	/* Nobody writes into it, and it is not waited for. */
	assert_int_equal(mkfifo(NAME, 0600), 0);
	assert_refused(-EBADMSG);
}

static void test_credential_that_is_not_there_is_told(void **state) {
	(void) state;
	assert_refused(-ENOENT);
	put("secret", 6);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", ".", 1), 0);
	assert_refused(-ENOENT);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "", 1), 0);
	assert_refused(-ENOENT);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1), 0);
	assert_refused(-ENOENT);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_refused(-ENOENT);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_credential_loses_one_line_end, folder_up, folder_down),
		cmocka_unit_test_setup_teardown(
			test_credential_is_one_line_of_1_to_1024_bytes, folder_up, folder_down),
		cmocka_unit_test_setup_teardown(
			test_credential_is_a_file_and_no_link, folder_up, folder_down),
		cmocka_unit_test_setup_teardown(
			test_credential_that_is_not_there_is_told, folder_up, folder_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
