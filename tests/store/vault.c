#include "vault.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/home.h"

const char *vault_path(const char *name) {
	static char path[256];
	_cleanup_(freep) char *folder = NULL;

	assert_int_equal(home_path(HOME_DATA, &folder), 0);
	assert_true(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int) sizeof(path));
	return path;
}

struct contents file_take(const char *path) {
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct contents contents;
	struct stat status;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	contents.size = (size_t) status.st_size;
	contents.bytes = malloc(contents.size + 1);
	assert_non_null(contents.bytes);
	assert_int_equal(read(fd, contents.bytes, contents.size), contents.size);
	return contents;
}

void file_give(const char *path, const void *bytes, size_t size) {
	_cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(write(fd, bytes, size), size);
}

struct image *vault_image(void) {
	_cleanup_(contents_done) struct contents contents = file_take(vault_path("vault"));
	struct image *image = NULL;

	assert_int_equal(image_decode(contents.bytes, contents.size, &image), 0);
	return image;
}

void vault_give_image(const struct image *image) {
	_cleanup_(contents_done) struct contents contents = {0};

	assert_int_equal(image_encode(image, &contents.bytes, &contents.size), 0);
	file_give(vault_path("vault"), contents.bytes, contents.size);
}

void vault_assert_is(const struct contents *contents) {
	_cleanup_(contents_done) struct contents now = file_take(vault_path("vault"));

	assert_int_equal(now.size, contents->size);
	assert_memory_equal(now.bytes, contents->bytes, now.size);
}
