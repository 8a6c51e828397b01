#include "config_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "config_edit.h"
#include "protocol/secret.h"

/* For comparing two files: what passes through locked memory at once. */
#define WINDOW_SIZE 2048

static int check_owner(const struct stat *status) {
	if (status->st_uid != geteuid())
		return -EPERM;
	return status->st_mode & (S_IWGRP | S_IWOTH) ? -EACCES : 0;
}

static int open_folder(const char *folder, bool may_create, int *ret) {
	_cleanup_(fd_closep) int fd = -1;
	struct stat status;
	int r;

	if (may_create && mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	/* A link to a folder is fine: people keep theirs elsewhere. */
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	r = check_owner(&status);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

static int open_file(int folder_fd, const char *name, int *ret, struct stat *ret_status) {
	_cleanup_(fd_closep) int fd =
		openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0 || fstat(fd, ret_status) < 0)
		return -errno;
	if (!S_ISREG(ret_status->st_mode))
		return -EINVAL;
	r = check_owner(ret_status);
	if (r == 0 && ret_status->st_nlink > 1)
		r = -EMLINK;
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

int config_swap_open(
	const char *folder, const char *name, bool may_create, struct config_swap *ret) {
	_cleanup_(config_swap_done) struct config_swap swap = CONFIG_SWAP_NULL;
	int r;

	swap.folder = strdup(folder);
	swap.name = strdup(name);
	if (!swap.folder || !swap.name)
		return -ENOMEM;
	r = open_folder(folder, may_create, &swap.folder_fd);
	if (r < 0)
		return r;
	r = open_file(swap.folder_fd, name, &swap.old_fd, &swap.old);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = swap;
	swap = CONFIG_SWAP_NULL;
	return 0;
}

const char *config_swap_advice(int error) {
	switch (error) {
	case -ELOOP:
		return "it is a symlink";
	case -EPERM:
		return "it or its folder belongs to somebody else";
	case -EACCES:
		return "others may write to it or its folder";
	case -EMLINK:
		return "it has another name too (a hard link)";
	case -EINVAL:
		return "it is no regular file";
	default:
		return strerror(-error);
	}
}

static char *name_with(const struct config_swap *swap, const char *ending) {
	char *name;

	return asprintf(&name, "%s%s", swap->name, ending) < 0 ? NULL : name;
}

void config_swap_done(struct config_swap *swap) {
	_cleanup_(freep) char *new = swap->is_prepared ? name_with(swap, CONFIG_SWAP_NEW) : NULL;

	if (new)
		(void) unlinkat(swap->folder_fd, new, 0); /* Ours, and in nobody's way. */
	free(swap->folder);
	free(swap->name);
	swap->folder_fd = fd_close(swap->folder_fd);
	swap->old_fd = fd_close(swap->old_fd);
	*swap = CONFIG_SWAP_NULL;
}

static int copy_bytes(int to, int from, size_t start, size_t end) {
	off_t offset = (off_t) start;

	while ((size_t) offset < end) {
		ssize_t n = sendfile(to, from, &offset, end - (size_t) offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		/* It has become shorter under our hands. */
		if (n == 0)
			return -ESTALE;
	}
	return 0;
}

static int write_text(int fd, const char *text) {
	size_t size = strlen(text);

	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t) n : 0;
	}
	return 0;
}

/* A new file of that name, with the mode of the old one from before its first byte. */
static int create(const struct config_swap *swap, const char *name, int *ret) {
	mode_t mode = swap->old_fd >= 0 ? swap->old.st_mode & 0777 : 0644;
	_cleanup_(fd_closep) int fd = -1;

	/* What an interrupted run left. */
	if (unlinkat(swap->folder_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(swap->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || (swap->old_fd >= 0 && fchmod(fd, mode) < 0))
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int fill(int fd, const struct config_swap *swap, const struct config_edit *edit) {
	size_t end = swap->old_fd >= 0 ? (size_t) swap->old.st_size : 0;
	int r = copy_bytes(fd, swap->old_fd, 0, edit->from);

	if (r == 0)
		r = write_text(fd, edit->text);
	if (r == 0)
		r = copy_bytes(fd, swap->old_fd, edit->to, end);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int config_swap_prepare(struct config_swap *swap, const struct config_edit *edit, char **ret_path) {
	_cleanup_(freep) char *new = name_with(swap, CONFIG_SWAP_NEW);
	_cleanup_(fd_closep) int fd = -1;
	int r;

	if (!new)
		return -ENOMEM;
	r = create(swap, new, &fd);
	if (r < 0)
		return r;
	swap->is_prepared = true;
	r = fill(fd, swap, edit);
	if (r < 0)
		return r;
	if (asprintf(ret_path, "%s/%s", swap->folder, new) < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Somebody may have saved the file since: theirs is newer than what we have read. */
static int check_unchanged(const struct config_swap *swap) {
	struct stat now;

	if (fstatat(swap->folder_fd, swap->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && swap->old_fd < 0 ? 0 : -ESTALE;
	if (swap->old_fd < 0 || now.st_ino != swap->old.st_ino || now.st_dev != swap->old.st_dev ||
		now.st_size != swap->old.st_size ||
		now.st_mtim.tv_sec != swap->old.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != swap->old.st_mtim.tv_nsec)
		return -ESTALE;
	return 0;
}

static int rename_into_place(const struct config_swap *swap, const char *name) {
	int r = check_unchanged(swap);

	if (r < 0)
		return r;
	if (renameat(swap->folder_fd, name, swap->folder_fd, swap->name) < 0 ||
		fsync(swap->folder_fd) < 0)
		return -errno;
	return 0;
}

int config_swap_commit(struct config_swap *swap) {
	_cleanup_(freep) char *new = name_with(swap, CONFIG_SWAP_NEW);
	int r = new ? rename_into_place(swap, new) : -ENOMEM;

	if (r == 0)
		swap->is_prepared = false;
	return r;
}

bool config_swap_has_backup(const struct config_swap *swap) {
	_cleanup_(freep) char *name = name_with(swap, CONFIG_SWAP_BACKUP);

	return name && faccessat(swap->folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int config_swap_back_up(struct config_swap *swap) {
	_cleanup_(freep) char *name = name_with(swap, CONFIG_SWAP_BACKUP);
	_cleanup_(fd_closep) int fd = -1;
	int r;

	if (!name)
		return -ENOMEM;
	r = create(swap, name, &fd);
	if (r == 0)
		r = copy_bytes(fd, swap->old_fd, 0, (size_t) swap->old.st_size);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int config_swap_restore(struct config_swap *swap) {
	_cleanup_(freep) char *name = name_with(swap, CONFIG_SWAP_BACKUP);

	return name ? rename_into_place(swap, name) : -ENOMEM;
}

int config_swap_remove(struct config_swap *swap) {
	int r = check_unchanged(swap);

	if (r == 0 && unlinkat(swap->folder_fd, swap->name, 0) < 0)
		return -errno;
	return r;
}

/* 1 if `size` bytes of both are the same. */
static int compare(int one, size_t one_at, int other, size_t other_at, size_t size) {
	_cleanup_(secret_freep) struct secret *window = NULL;
	int r = secret_new(2 * (size_t) WINDOW_SIZE, &window);
	uint8_t *bytes;

	if (r < 0)
		return r;
	bytes = secret_bytes(window);
	while (size > 0) {
		size_t some = size < WINDOW_SIZE ? size : WINDOW_SIZE;
		ssize_t n = pread(one, bytes, some, (off_t) one_at);
		ssize_t m = pread(other, bytes + WINDOW_SIZE, some, (off_t) other_at);

		if (n < 0 || m < 0)
			return -errno;
		if ((size_t) n != some || (size_t) m != some ||
			memcmp(bytes, bytes + WINDOW_SIZE, some) != 0)
			return 0;
		one_at += some;
		other_at += some;
		size -= some;
	}
	return 1;
}

static bool has_text_at(int fd, size_t at, const char *text, size_t size) {
	_cleanup_(secret_freep) struct secret *bytes = NULL;

	if (size == 0)
		return true;
	return secret_new(size, &bytes) == 0 &&
	       pread(fd, secret_bytes(bytes), size, (off_t) at) == (ssize_t) size &&
	       memcmp(secret_peek(bytes), text, size) == 0;
}

int config_swap_is_edited_backup(const struct config_swap *swap, const struct config_edit *edit) {
	_cleanup_(freep) char *name = name_with(swap, CONFIG_SWAP_BACKUP);
	_cleanup_(fd_closep) int fd = -1;
	size_t text_size = strlen(edit->text), rest;
	struct stat status;
	int r;

	if (!name)
		return -ENOMEM;
	r = open_file(swap->folder_fd, name, &fd, &status);
	if (r < 0)
		return r;
	if ((size_t) status.st_size < edit->to)
		return 0;
	rest = (size_t) status.st_size - edit->to;
	if (edit->from + text_size + rest != (size_t) swap->old.st_size ||
		!has_text_at(swap->old_fd, edit->from, edit->text, text_size))
		return 0;
	r = compare(fd, 0, swap->old_fd, 0, edit->from);
	return r > 0 ? compare(fd, edit->to, swap->old_fd, edit->from + text_size, rest) : r;
}
