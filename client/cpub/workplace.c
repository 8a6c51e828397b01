/*
 * A file in the folder is locked for as long as this program lives, and says
 * which Cargo.lock was made: its file, size and time, so that one that somebody
 * put in its place is not taken for it.
 */

#include "workplace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/cleanup.h"
#include "removal.h"

#define FOLDER_START "cpub-publish-"
#define LOCK_NAME "in-use"
#define TAG_NAME "CACHEDIR.TAG"
/* An identity, a line end, a path. */
#define NOTE_MAX (PATH_MAX + 128)
/* A folder without the file is in the making, or its maker was killed. */
#define MAKING_SEC 60
#define TRIES_MAX 3

/* As cargo writes it, which does not where the folder is there: backups pass it over. */
static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
			  "# This file is a cache directory tag created by cpub-agent for cargo.\n"
			  "# For information about cache directory tags see "
			  "https://bford.info/cachedir/\n";

/* 0 and *ret (caller frees), -ENOENT, -ENOMEM. */
static int identify(const char *path, char **ret) {
	struct stat status;

	if (lstat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return -ENOENT;
	if (asprintf(ret, "%ju %ju %jd %jd.%09ld", (uintmax_t) status.st_dev,
		    (uintmax_t) status.st_ino, (intmax_t) status.st_size,
		    (intmax_t) status.st_mtim.tv_sec, status.st_mtim.tv_nsec) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* False if one is there that is another. */
static bool remove_lockfile(const char *path, const char *identity) {
	_cleanup_(freep) char *now = NULL;

	if (identify(path, &now) < 0)
		return true;
	if (strcmp(now, identity) != 0)
		return false;
	(void) unlink(path);
	return true;
}

static int write_file(const char *path, const char *text) {
	_cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) == (ssize_t) strlen(text) ? 0 : -EIO;
}

/* What is missing of the folders above it, as cargo makes them; they stay. */
static int make_parents(const char *path) {
	_cleanup_(freep) char *parent = strdup(path);

	if (!parent)
		return -ENOMEM;
	for (char *slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(parent, 0777) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

static int make_target(struct workplace *workplace, const char *target, mode_t mask) {
	_cleanup_(freep) char *path = NULL;
	mode_t ours = umask(mask);
	int r = make_parents(target);

	if (r == 0 && asprintf(&path, "%s/" TAG_NAME, target) < 0) {
		path = NULL;
		r = -ENOMEM;
	}
	if (r == 0 && mkdir(target, 0777) < 0)
		r = -errno;
	if (r == 0)
		(void) write_file(path, tag); /* Without it a backup is longer. */
	(void) umask(ours);
	if (r < 0)
		return r == -EEXIST ? 0 : r;
	workplace->made_target = strdup(target);
	return workplace->made_target ? 0 : -ENOMEM;
}

/* Goes if nothing is in there but our tag: else cargo has left something. */
static void remove_target(const char *target) {
	_cleanup_(freep) char *path = NULL;
	DIR *folder = opendir(target);
	struct dirent *entry;
	bool is_empty = folder != NULL;

	while (is_empty && (entry = readdir(folder)))
		is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			   strcmp(entry->d_name, TAG_NAME) == 0;
	if (folder)
		(void) closedir(folder);
	if (!is_empty)
		return;
	if (asprintf(&path, "%s/" TAG_NAME, target) < 0)
		path = NULL;
	if (path)
		(void) unlink(path);
	(void) rmdir(target);
}

/* The file that is locked goes last, so that what time ran out for can be found again. */
static void remove_folder(const char *folder) {
	_cleanup_(freep) char *path = NULL;

	removal_inside(folder, LOCK_NAME);
	if (asprintf(&path, "%s/" LOCK_NAME, folder) < 0) {
		path = NULL;
		return;
	}
	if (rmdir(folder) == 0 || errno != ENOTEMPTY)
		return;
	if (unlink(path) == 0 && rmdir(folder) < 0)
		(void) write_file(path, "");
}

/*
 * What the run noted that was killed: "IDENTITY\nPATH". It may be in use by now, and committed, so
 * it is no longer for us to remove.
 */
static void find_noted(int fd, char **ret_left) {
	char note[NOTE_MAX + 1];
	_cleanup_(freep) char *now = NULL;
	ssize_t size = pread(fd, note, NOTE_MAX, 0);
	char *path, *name;

	if (size <= 0 || *ret_left)
		return;
	note[size] = '\0';
	path = strchr(note, '\n');
	name = path ? strrchr(path, '/') : NULL;
	if (!name || strcmp(name, "/Cargo.lock") != 0)
		return;
	*path++ = '\0';
	if (identify(path, &now) == 0 && strcmp(now, note) == 0)
		*ret_left = strdup(path);
}

static void sweep_folder(const char *folder, char **ret_left) {
	_cleanup_(fd_closep) int fd = -1;
	_cleanup_(freep) char *path = NULL;
	struct stat status;

	if (lstat(folder, &status) < 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
		return;
	if (asprintf(&path, "%s/" LOCK_NAME, folder) < 0) {
		path = NULL;
		return;
	}
	fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT && status.st_mtime < time(NULL) - MAKING_SEC)
			(void) rmdir(folder);
		return;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	find_noted(fd, ret_left);
	remove_folder(folder);
}

static void sweep(const char *target, char **ret_left) {
	DIR *entries = opendir(target);
	struct dirent *entry;

	while (entries && (entry = readdir(entries))) {
		_cleanup_(freep) char *folder = NULL;

		if (strncmp(entry->d_name, FOLDER_START, strlen(FOLDER_START)) != 0)
			continue;
		if (asprintf(&folder, "%s/%s", target, entry->d_name) < 0) {
			folder = NULL;
			break;
		}
		sweep_folder(folder, ret_left);
	}
	if (entries)
		(void) closedir(entries);
}

/* -EAGAIN if another run took it for one that was left, before the lock was there. */
static int lock_folder(struct workplace *workplace) {
	_cleanup_(fd_closep) int fd = -1;
	_cleanup_(freep) char *path = NULL;
	struct stat status;

	if (asprintf(&path, "%s/" LOCK_NAME, workplace->folder) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EAGAIN;
	if (fstat(fd, &status) < 0 || status.st_nlink == 0)
		return -EAGAIN;
	workplace->lock_fd = TAKE_FD(fd);
	return 0;
}

static int make_folder(struct workplace *workplace, const char *target) {
	free(workplace->folder);
	if (asprintf(&workplace->folder, "%s/" FOLDER_START "XXXXXX", target) < 0) {
		workplace->folder = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(workplace->folder)) {
		int r = -errno;

		free(workplace->folder);
		workplace->folder = NULL;
		return r;
	}
	return lock_folder(workplace);
}

int workplace_make(struct workplace *workplace, const char *target, mode_t mask) {
	int r = make_target(workplace, target, mask);

	if (r < 0)
		return r;
	sweep(target, &workplace->left_lockfile);
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < TRIES_MAX; i++)
		r = make_folder(workplace, target);
	return r;
}

int workplace_lacks_lockfile(struct workplace *workplace, const char *root) {
	_cleanup_(freep) char *path = NULL;
	struct stat status;

	if (asprintf(&path, "%s/Cargo.lock", root) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (lstat(path, &status) == 0 || errno != ENOENT)
		return 0;
	workplace->lockfile = TAKE_PTR(path);
	return 1;
}

int workplace_note_lockfile(struct workplace *workplace) {
	int r = identify(workplace->lockfile, &workplace->lockfile_identity);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* cargo did not come so far. */
	if (dprintf(workplace->lock_fd, "%s\n%s", workplace->lockfile_identity,
		    workplace->lockfile) < 0)
		return -errno;
	return 0;
}

void workplace_empty(struct workplace *workplace) {
	removal_inside(workplace->folder, LOCK_NAME);
}

bool workplace_done(struct workplace *workplace) {
	bool is_clear = true;

	/* Before the note of it, which a run that is killed meanwhile leaves to the next one. */
	if (workplace->lockfile_identity)
		is_clear = remove_lockfile(workplace->lockfile, workplace->lockfile_identity);
	if (workplace->folder)
		remove_folder(workplace->folder);
	workplace->lock_fd = fd_close(workplace->lock_fd);
	if (workplace->made_target)
		remove_target(workplace->made_target);
	free(workplace->folder);
	free(workplace->made_target);
	free(workplace->lockfile);
	free(workplace->lockfile_identity);
	free(workplace->left_lockfile);
	*workplace = (struct workplace){.lock_fd = -1};
	return is_clear;
}
