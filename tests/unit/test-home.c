#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/home.h"

/* A folder of our own for each test; names below are relative to it. */
static char folder[64];

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw) {
	(void) status;
	(void) type;
	(void) ftw;
	return remove(path);
}

static int folder_up(void **state) {
	(void) state;
	(void) snprintf(folder, sizeof(folder), "/tmp/test-home-XXXXXX");
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	if (setenv("HOME", folder, 1) < 0)
		return -1;
	return unsetenv("XDG_DATA_HOME") < 0 || unsetenv("XDG_STATE_HOME") < 0 ? -1 : 0;
}

static int folder_down(void **state) {
	(void) state;
	(void) umask(022);
	if (chdir("/") < 0)
		return -1;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void assert_path(enum home home, const char *expected) {
	_cleanup_(freep) char *path = NULL;

	assert_int_equal(home_path(home, &path), 0);
	assert_string_equal(path, expected);
}

static void test_home_follows_the_xdg_rules(void **state) {
	char *path = NULL;

	(void) state;
	assert_int_equal(setenv("HOME", "/h", 1), 0);
	assert_path(HOME_DATA, "/h/.local/share/cpub-agent");
	assert_path(HOME_STATE, "/h/.local/state/cpub-agent");
	assert_int_equal(setenv("XDG_DATA_HOME", "/d", 1), 0);
	assert_int_equal(setenv("XDG_STATE_HOME", "/s", 1), 0);
	assert_path(HOME_DATA, "/d/cpub-agent");
	assert_path(HOME_STATE, "/s/cpub-agent");
	/* Relative and empty ones are to be ignored. */
	assert_int_equal(setenv("XDG_DATA_HOME", "d", 1), 0);
	assert_int_equal(setenv("XDG_STATE_HOME", "", 1), 0);
	assert_path(HOME_DATA, "/h/.local/share/cpub-agent");
	assert_path(HOME_STATE, "/h/.local/state/cpub-agent");
	assert_int_equal(setenv("HOME", "h", 1), 0);
	assert_int_equal(home_path(HOME_DATA, &path), -ENOENT);
	assert_int_equal(unsetenv("HOME"), 0);
	assert_int_equal(home_path(HOME_DATA, &path), -ENOENT);
	assert_null(path);
}

static mode_t mode_of(const char *path) {
	struct stat status;

	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode & 07777;
}

static void test_home_is_made_for_us_alone_with_all_above_it(void **state) {
	_cleanup_(fd_closep) int fd = -1;

	(void) state;
	(void) umask(0);
	assert_int_equal(home_open(HOME_DATA, false, &fd), -ENOENT);
	assert_int_equal(fd, -1);
	assert_int_equal(home_open(HOME_DATA, true, &fd), 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(mode_of(".local"), 0700);
	assert_int_equal(mode_of(".local/share"), 0700);
	assert_int_equal(mode_of(".local/share/cpub-agent"), 0700);
	fd = fd_close(fd);
	assert_int_equal(home_open(HOME_DATA, false, &fd), 0);
}

static void test_home_that_others_can_enter_is_refused(void **state) {
	static const mode_t modes[] = {0755, 0750, 0710, 0701, 0770, 0702};
	int fd = -1;

	(void) state;
	assert_int_equal(setenv("XDG_DATA_HOME", folder, 1), 0);
	assert_int_equal(mkdir("cpub-agent", 0700), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod("cpub-agent", modes[i]), 0);
		assert_int_equal(home_open(HOME_DATA, false, &fd), -EACCES);
		assert_int_equal(home_open(HOME_DATA, true, &fd), -EACCES);
		assert_int_equal(mode_of("cpub-agent"), modes[i]);
	}
	assert_int_equal(fd, -1);
}

static void test_home_that_is_no_folder_of_ours_is_refused(void **state) {
	int fd = -1;

	(void) state;
	assert_int_equal(setenv("XDG_DATA_HOME", folder, 1), 0);
	assert_int_equal(mkdir("elsewhere", 0700), 0);
	assert_int_equal(symlink("elsewhere", "cpub-agent"), 0);
	assert_true(home_open(HOME_DATA, true, &fd) < 0);
	assert_int_equal(unlink("cpub-agent"), 0);
	assert_int_equal(mknod("cpub-agent", S_IFREG | 0600, 0), 0);
	assert_true(home_open(HOME_DATA, true, &fd) < 0);
	assert_int_equal(fd, -1);
}

static void test_home_of_another_user_is_refused(void **state) {
	int fd = -1;

	(void) state;
	if (geteuid() != 0) {
		print_message("SKIP: only root can make a folder of another user\n");
		skip();
	}
	assert_int_equal(setenv("XDG_DATA_HOME", folder, 1), 0);
	assert_int_equal(mkdir("cpub-agent", 0700), 0);
	assert_int_equal(chown("cpub-agent", 65534, 65534), 0);
	assert_int_equal(home_open(HOME_DATA, false, &fd), -EPERM);
	assert_int_equal(fd, -1);
}

/* The test's folder as a descriptor. */
static int open_folder(void) {
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void assert_content(int directory, const char *name, const char *expected) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size = 0;

	assert_int_equal(home_read(directory, name, 4096, &bytes, &size), 0);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(bytes, expected, size);
}

static void test_home_replace_writes_private_files(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();

	(void) state;
	(void) umask(0);
	assert_int_equal(home_replace(directory, "f", "one", 3), 0);
	assert_content(directory, "f", "one");
	assert_int_equal(mode_of("f"), 0600);
	assert_int_equal(home_replace(directory, "f", "other", 5), 0);
	assert_content(directory, "f", "other");
	assert_int_equal(home_replace(directory, "f", "", 0), 0);
	assert_content(directory, "f", "");
	assert_int_equal(access("f.new", F_OK), -1);
}

/* Who reads the old file goes on reading the old file: it is not written into. */
static void test_home_replace_leaves_the_old_file_to_its_readers(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();
	_cleanup_(fd_closep) int old = -1;
	char bytes[8];

	(void) state;
	assert_int_equal(home_replace(directory, "f", "one", 3), 0);
	old = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(home_replace(directory, "f", "other", 5), 0);
	assert_int_equal(read(old, bytes, sizeof(bytes)), 3);
	assert_memory_equal(bytes, "one", 3);
}

static void test_home_replace_follows_no_link_that_was_planted(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();

	(void) state;
	assert_int_equal(home_replace(directory, "victim", "safe", 4), 0);
	assert_int_equal(symlink("victim", "f.new"), 0);
	assert_int_equal(symlink("victim", "f"), 0);
	assert_int_equal(home_replace(directory, "f", "mine", 4), 0);
	assert_content(directory, "victim", "safe");
	assert_content(directory, "f", "mine");
}

static void test_home_replace_takes_over_what_a_crash_left(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();

	(void) state;
	assert_int_equal(home_replace(directory, "f.new", "half a fi", 9), 0);
	assert_int_equal(home_replace(directory, "f", "whole", 5), 0);
	assert_content(directory, "f", "whole");
	assert_int_equal(access("f.new", F_OK), -1);
}

static void test_home_replace_that_fails_leaves_the_old_file(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();
	struct rlimit limit, none;

	(void) state;
	assert_int_equal(home_replace(directory, "f", "old", 3), 0);
	/* The disk is full after two bytes. */
	assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = limit;
	none.rlim_cur = 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int r = home_replace(directory, "f", "newer", 5);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(r, -EFBIG);
	assert_content(directory, "f", "old");
	assert_int_equal(access("f.new", F_OK), -1);

	/* Something is in the way that cannot be removed. */
	assert_int_equal(mkdir("f.new", 0700), 0);
	assert_true(home_replace(directory, "f", "newer", 5) < 0);
	assert_content(directory, "f", "old");
}

static int read_error(int directory, const char *name, size_t max) {
	uint8_t *bytes = NULL;
	size_t size = 77;
	int r;

	r = home_read(directory, name, max, &bytes, &size);
	assert_null(bytes);
	assert_int_equal(size, 77);
	return r;
}

static void test_home_read_takes_only_private_regular_files(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();

	(void) state;
	assert_int_equal(read_error(directory, "f", 100), -ENOENT);
	assert_int_equal(home_replace(directory, "f", "text", 4), 0);
	assert_int_equal(symlink("f", "link"), 0);
	assert_int_equal(read_error(directory, "link", 100), -EACCES);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(read_error(directory, "dangling", 100), -EACCES);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(read_error(directory, "folder", 100), -EACCES);
	for (mode_t bit = 01; bit <= 040; bit <<= 1) {
		assert_int_equal(chmod("f", 0600 | bit), 0);
		assert_int_equal(read_error(directory, "f", 100), -EACCES);
	}
	assert_int_equal(chmod("f", 0400), 0);
	assert_content(directory, "f", "text");
}

/* Opening a FIFO waits for a writer; the alarm ends the test if we do. */
static void test_home_read_does_not_wait_at_a_fifo(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();

	(void) state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	(void) alarm(10);
	assert_int_equal(read_error(directory, "fifo", 100), -EACCES);
	(void) alarm(0);
}

static void test_home_read_of_anothers_file_is_refused(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();

	(void) state;
	if (geteuid() != 0) {
		print_message("SKIP: only root can make a file of another user\n");
		skip();
	}
	assert_int_equal(home_replace(directory, "f", "text", 4), 0);
	assert_int_equal(chown("f", 65534, 65534), 0);
	assert_int_equal(read_error(directory, "f", 100), -EACCES);
}

static void test_home_read_stops_at_its_limit(void **state) {
	_cleanup_(fd_closep) int directory = open_folder();
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size = 0;

	(void) state;
	assert_int_equal(home_replace(directory, "f", "12345", 5), 0);
	assert_int_equal(read_error(directory, "f", 4), -EFBIG);
	assert_int_equal(home_read(directory, "f", 5, &bytes, &size), 0);
	assert_int_equal(size, 5);
	/* A file of a terabyte costs nothing to make, and must cost nothing to refuse. */
	assert_int_equal(truncate("f", (off_t) 1 << 40), 0);
	assert_int_equal(read_error(directory, "f", 4096), -EFBIG);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, folder_up, folder_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_home_follows_the_xdg_rules),
		CASE(test_home_is_made_for_us_alone_with_all_above_it),
		CASE(test_home_that_others_can_enter_is_refused),
		CASE(test_home_that_is_no_folder_of_ours_is_refused),
		CASE(test_home_of_another_user_is_refused),
		CASE(test_home_replace_writes_private_files),
		CASE(test_home_replace_leaves_the_old_file_to_its_readers),
		CASE(test_home_replace_follows_no_link_that_was_planted),
		CASE(test_home_replace_takes_over_what_a_crash_left),
		CASE(test_home_replace_that_fails_leaves_the_old_file),
		CASE(test_home_read_takes_only_private_regular_files),
		CASE(test_home_read_does_not_wait_at_a_fifo),
		CASE(test_home_read_of_anothers_file_is_refused),
		CASE(test_home_read_stops_at_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
