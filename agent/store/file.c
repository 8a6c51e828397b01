/*
 * The vault: one file, written whole. Two agents may have the same file open:
 * a lock file keeps their saves apart, and a save is refused when the file is
 * no longer the one that was last loaded or saved here.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "agent/agent.h"
#include "agent/home.h"
#include "cipher.h"
#include "medium.h"

#define VAULT "vault"
#define VAULT_NEW "vault.new"
#define VAULT_LOCK "vault.lock"

struct file {
	struct medium medium;
	char *folder;
	char *path;
	/* Of the file's bytes when we last read or wrote it. */
	uint8_t digest[CIPHER_HASH_SIZE];
	bool is_known;
};

static int take_lock(int directory, int *ret) {
	_cleanup_(fd_closep) int fd = -1;

	fd = openat(directory, VAULT_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Held for one save; somebody who holds it longer must not hold us up. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int load(struct file *file, struct image **ret) {
	_cleanup_(fd_closep) int directory = -1, lock = -1;
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size;
	int r;

	file->is_known = false;
	r = home_open_path(file->folder, false, &directory);
	if (r < 0)
		return r == -EPERM ? -EACCES : r;
	/* A crash in mid-save leaves the new file; nobody else is saving while we have the lock. */
	if (faccessat(directory, VAULT_NEW, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		take_lock(directory, &lock) == 0)
		(void) unlinkat(directory, VAULT_NEW, 0); /* The next save removes it as well. */
	r = home_read(directory, VAULT, IMAGE_SIZE_MAX, &bytes, &size);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	r = image_decode(bytes, size, ret);
	if (r < 0)
		return r;
	cipher_hash(file->digest, bytes, size);
	file->is_known = true;
	return 0;
}

static void file_load(struct medium *medium) {
	struct image *image = NULL;
	int r;

	r = load((struct file *) medium, &image);
	medium_complete(medium, r, image);
}

/* Is the file still the one we know (or still absent, if we know none)? */
static int check_unchanged(const struct file *file, int directory) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t digest[CIPHER_HASH_SIZE];
	size_t size;
	int r;

	r = home_read(directory, VAULT, IMAGE_SIZE_MAX, &bytes, &size);
	if (!file->is_known)
		return r == -ENOENT ? 0 : r < 0 ? r : -EEXIST;
	if (r < 0)
		return r == -ENOENT || r == -EFBIG ? -ESTALE : r;
	cipher_hash(digest, bytes, size);
	return memcmp(digest, file->digest, CIPHER_HASH_SIZE) == 0 ? 0 : -ESTALE;
}

static int save(struct file *file, const struct image *image) {
	_cleanup_(fd_closep) int directory = -1, lock = -1;
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size;
	int r;

	r = image_encode(image, &bytes, &size);
	if (r < 0)
		return r;
	r = home_open_path(file->folder, true, &directory);
	if (r < 0)
		return r;
	r = take_lock(directory, &lock);
	if (r < 0)
		return r;
	r = check_unchanged(file, directory);
	if (r < 0)
		return r;
	r = home_replace(directory, VAULT, bytes, size);
	if (r < 0)
		return r;
	cipher_hash(file->digest, bytes, size);
	file->is_known = true;
	return 0;
}

static void file_save(struct medium *medium, const struct image *image) {
	medium_complete(medium, save((struct file *) medium, image), NULL);
}

static int erase(struct file *file) {
	_cleanup_(fd_closep) int directory = -1, lock = -1;
	int r;

	r = home_open_path(file->folder, false, &directory);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = take_lock(directory, &lock);
	if (r < 0)
		return r;
	r = check_unchanged(file, directory);
	if (r < 0 && faccessat(directory, VAULT, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return r;
	file->is_known = false;
	if ((unlinkat(directory, VAULT_NEW, 0) < 0 && errno != ENOENT) ||
		(unlinkat(directory, VAULT, 0) < 0 && errno != ENOENT))
		return -errno;
	return fsync(directory) < 0 ? -errno : 0;
}

static void file_erase(struct medium *medium) {
	medium_complete(medium, erase((struct file *) medium), NULL);
}

static const char *file_path(const struct medium *medium) {
	return ((const struct file *) medium)->path;
}

static void file_free(struct medium *medium) {
	struct file *file = (struct file *) medium;

	free(file->folder);
	free(file->path);
	free(file);
}

static const struct medium_ops file_ops = {
	.name = "vault",
	.load = file_load,
	.save = file_save,
	.erase = file_erase,
	.path = file_path,
	.free = file_free,
};

int file_medium_new(struct agent *agent, struct medium **ret) {
	_cleanup_(freep) char *folder = NULL;
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) struct file *file = NULL;
	int r;

	r = home_path(HOME_DATA, &folder);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/" VAULT, folder) < 0)
		return -ENOMEM;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	r = medium_init(&file->medium, &file_ops, agent->event);
	if (r < 0)
		return r;
	file->folder = TAKE_PTR(folder);
	file->path = TAKE_PTR(path);
	*ret = &TAKE_PTR(file)->medium;
	return 0;
}
