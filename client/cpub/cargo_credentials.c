/*
 * Where both exist, cargo uses the one without the extension and says so
 * (cargo, GlobalContext::get_file_path). People make it a link to the other, for
 * old cargos; that is one file then.
 */

#include "cargo_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complaint.h"
#include "protocol/cleanup.h"

static void file_done(struct credentials_file *file) {
	file->fd = fd_close(file->fd);
	free(file->path);
	file->path = NULL;
}

/* Opens one: 0, -ENOENT, or as cargo_credentials_open. Takes the path over. */
static int file_open(char *path, struct credentials_file *ret, char **ret_error) {
	_cleanup_(file_done) struct credentials_file file = {.path = path, .fd = -1};
	/* O_NONBLOCK: a FIFO in the place of the file must not hold us. */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	file.fd = open(path, flags | O_NOFOLLOW);
	if (file.fd < 0 && errno == ELOOP) {
		file.is_link = true;
		file.fd = open(path, flags);
	}
	if (file.fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (file.fd < 0 || fstat(file.fd, &file.status) < 0)
		return complaint_make(
			ret_error, "'%s' cannot be opened: %s", path, strerror(errno));
	if (!S_ISREG(file.status.st_mode) || file.status.st_uid != geteuid())
		return complaint_make(ret_error,
			"'%s' is no regular file of yours; look at it before anything else", path);
	*ret = file;
	file = (struct credentials_file){.fd = -1};
	return 0;
}

static bool is_same(const struct credentials_file *one, const struct credentials_file *other) {
	return one->status.st_dev == other->status.st_dev &&
	       one->status.st_ino == other->status.st_ino;
}

/* Two names of one file: the one that is no link stays. */
static void drop_double(struct cargo_credentials *credentials) {
	struct credentials_file *files = credentials->files;

	if (credentials->n_files < 2 || !is_same(&files[0], &files[1]))
		return;
	if (files[0].is_link) {
		file_done(&files[0]);
		files[0] = files[1];
	} else {
		file_done(&files[1]);
	}
	credentials->n_files = 1;
}

int cargo_credentials_open(
	const char *home, struct cargo_credentials *ret, char **ret_error) {
	static const char *const names[CREDENTIALS_FILES_MAX] = {
		"credentials", "credentials.toml"};
	_cleanup_(cargo_credentials_done) struct cargo_credentials found = {0};

	for (size_t i = 0; i < CREDENTIALS_FILES_MAX; i++) {
		char *path;
		int r;

		if (asprintf(&path, "%s/%s", home, names[i]) < 0)
			return -ENOMEM;
		r = file_open(path, &found.files[found.n_files], ret_error);
		if (r == 0)
			found.n_files++;
		else if (r != -ENOENT)
			return r;
	}
	drop_double(&found);
	*ret = found;
	found.n_files = 0;
	return 0;
}

void cargo_credentials_done(struct cargo_credentials *credentials) {
	for (size_t i = 0; i < credentials->n_files; i++)
		file_done(&credentials->files[i]);
	credentials->n_files = 0;
}
