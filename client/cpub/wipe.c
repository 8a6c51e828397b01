/*
 *   old file --kernel copies the rest--> NAME.cpub-new --fsync, rename--> in its place
 *       └ zeros over all of it, through the descriptor that is still open, fsync
 *
 * In this order: at every moment the name leads to a whole file, the old or the
 * new one. A cargo that waits for the lock meanwhile gets the old file's zeros,
 * which it refuses to read, and is right the next time.
 */

#include "wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "complaint.h"
#include "protocol/cleanup.h"

#define NEW_SUFFIX ".cpub-new"
#define ACCESS_LIST "system.posix_acl_access"

struct wipe {
	const char *path;
	const struct stat *known;
	const struct wipe_range *ranges;
	size_t n_ranges;
	char *folder, *name, *new_name;
	int folder_fd, old_fd, new_fd;
	/* The new file lies under its own name. */
	bool has_new;
};

static void wipe_done(struct wipe *wipe) {
	if (wipe->has_new) /* It holds tokens. That it cannot go is told by its name. */
		(void) unlinkat(wipe->folder_fd, wipe->new_name, 0);
	(void) fd_close(wipe->new_fd);
	(void) fd_close(wipe->old_fd);
	(void) fd_close(wipe->folder_fd);
	free(wipe->folder);
	free(wipe->name);
	free(wipe->new_name);
}

static int wipe_set_names(struct wipe *wipe) {
	const char *slash = strrchr(wipe->path, '/');

	if (!slash)
		return -EINVAL;
	wipe->folder = strndup(wipe->path, slash == wipe->path ? 1 : (size_t) (slash - wipe->path));
	wipe->name = strdup(slash + 1);
	if (!wipe->folder || !wipe->name ||
		asprintf(&wipe->new_name, "%s" NEW_SUFFIX, wipe->name) < 0) {
		wipe->new_name = NULL;
		return -ENOMEM;
	}
	return 0;
}

static bool is_same_time(struct timespec one, struct timespec other) {
	return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

/* Who reads it leaves no trace in these; who writes, renames or links it does. */
static bool is_unchanged(const struct stat *known, const struct stat *now) {
	return known->st_dev == now->st_dev && known->st_ino == now->st_ino &&
	       known->st_size == now->st_size && is_same_time(known->st_mtim, now->st_mtim) &&
	       is_same_time(known->st_ctim, now->st_ctim);
}

/* The name still leads to the file that was listed, as it was then. */
static int wipe_check_unchanged(const struct wipe *wipe) {
	struct stat now;

	if (fstatat(wipe->folder_fd, wipe->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return is_unchanged(wipe->known, &now) ? 0 : -ESTALE;
}

static int wipe_open(struct wipe *wipe) {
	struct stat status;

	wipe->folder_fd = open(wipe->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (wipe->folder_fd < 0)
		return -errno;
	wipe->old_fd = openat(wipe->folder_fd, wipe->name,
		O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (wipe->old_fd < 0 || fstat(wipe->old_fd, &status) < 0)
		return -errno;
	if (!is_unchanged(wipe->known, &status))
		return -ESTALE;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid())
		return -EPERM;
	if (status.st_nlink != 1)
		return -EMLINK;
	/* Its owner's choice of who may read it would not go along. */
	if (fgetxattr(wipe->old_fd, ACCESS_LIST, NULL, 0) >= 0)
		return -EOPNOTSUPP;
	/* cargo holds this lock while it writes. A file system without locks has none for it. */
	if (flock(wipe->old_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	return 0;
}

static bool ranges_are_sane(const struct wipe *wipe) {
	size_t at = 0;

	for (size_t i = 0; i < wipe->n_ranges; i++) {
		const struct wipe_range *range = &wipe->ranges[i];

		if (range->start < at || range->end <= range->start)
			return false;
		at = range->end;
	}
	return at <= (size_t) wipe->known->st_size;
}

/* Between two descriptors in the kernel; sendfile where a file system cannot copy. */
static ssize_t copy_some(int from, off_t *at, int to, size_t size) {
	ssize_t n = copy_file_range(from, at, to, NULL, size, 0);

	if (n > 0)
		return n;
	if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -errno;
	n = sendfile(to, from, at, size);
	return n < 0 ? -errno : n;
}

static int copy_span(const struct wipe *wipe, size_t start, size_t end) {
	off_t at = (off_t) start;

	while ((size_t) at < end) {
		ssize_t n = copy_some(wipe->old_fd, &at, wipe->new_fd, end - (size_t) at);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int) n : -EIO;
	}
	return 0;
}

static int wipe_copy_rest(const struct wipe *wipe) {
	size_t at = 0;

	for (size_t i = 0; i < wipe->n_ranges; i++) {
		int r = copy_span(wipe, at, wipe->ranges[i].start);

		if (r < 0)
			return r;
		at = wipe->ranges[i].end;
	}
	return copy_span(wipe, at, (size_t) wipe->known->st_size);
}

/* A group that we are not in cannot be given, and its rights must not go to another. */
static int wipe_keep_rights(const struct wipe *wipe) {
	struct stat status;

	if (fstat(wipe->new_fd, &status) < 0)
		return -errno;
	if (status.st_gid != wipe->known->st_gid &&
		fchown(wipe->new_fd, (uid_t) -1, wipe->known->st_gid) < 0)
		return -errno;
	return fchmod(wipe->new_fd, wipe->known->st_mode & 07777) < 0 ? -errno : 0;
}

static int wipe_make_new(struct wipe *wipe) {
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int r;

	wipe->new_fd = openat(wipe->folder_fd, wipe->new_name, flags, 0600);
	if (wipe->new_fd < 0 && errno == EEXIST) {
		/* Of a run that was killed: the lock says that nobody is at it. */
		if (unlinkat(wipe->folder_fd, wipe->new_name, 0) < 0)
			return -errno;
		wipe->new_fd = openat(wipe->folder_fd, wipe->new_name, flags, 0600);
	}
	if (wipe->new_fd < 0)
		return -errno;
	wipe->has_new = true;
	r = wipe_copy_rest(wipe);
	if (r < 0)
		return r;
	r = wipe_keep_rights(wipe);
	if (r < 0)
		return r;
	return fsync(wipe->new_fd) < 0 ? -errno : 0;
}

static int wipe_swap(struct wipe *wipe) {
	_cleanup_(fd_closep) int folder = -1;
	int r = wipe_check_unchanged(wipe);

	if (r < 0)
		return r;
	if (renameat(wipe->folder_fd, wipe->new_name, wipe->folder_fd, wipe->name) < 0)
		return -errno;
	wipe->has_new = false;
	/* O_PATH cannot sync. The lines are gone, whether this reaches the disk now or later. */
	folder = openat(wipe->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0)
		(void) fsync(folder);
	return 0;
}

static int wipe_overwrite(const struct wipe *wipe) {
	static const char zeros[4096];
	off_t at = 0, size = wipe->known->st_size;

	while (at < size) {
		size_t left = (size_t) (size - at);
		ssize_t n = pwrite(wipe->old_fd, zeros,
			left < sizeof(zeros) ? left : sizeof(zeros), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
	}
	return fsync(wipe->old_fd) < 0 ? -errno : 0;
}

static const char *advice(int error) {
	switch (error) {
	case -ESTALE:
		return "it has changed meanwhile; try again";
	case -ELOOP:
		return "it is a link to another file";
	case -EMLINK:
		return "it has other names, under which the token would stay";
	case -EBUSY:
		return "another program is at it, cargo perhaps; try again";
	case -EOPNOTSUPP:
		return "it has an access list of its own, which would be lost";
	default:
		return strerror(-error);
	}
}

static int wipe_prepare(struct wipe *wipe) {
	int r;

	if (!ranges_are_sane(wipe))
		return -EINVAL;
	r = wipe_set_names(wipe);
	if (r == 0)
		r = wipe_open(wipe);
	if (r == 0)
		r = wipe_make_new(wipe);
	return r == 0 ? wipe_swap(wipe) : r;
}

/* Owns the wipe: when it returns, nothing of it is left. */
static int wipe_run(struct wipe initial, char **ret_why) {
	_cleanup_(wipe_done) struct wipe wipe = initial;
	int r = wipe_prepare(&wipe);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return complaint_make(
			ret_why, "'%s' was left as it is: %s", wipe.path, advice(r));
	r = wipe_overwrite(&wipe);
	if (r == 0)
		return 0;
	r = complaint_make(ret_why, "the old bytes of '%s' could not be overwritten: %s",
		wipe.path, strerror(-r));
	return r == -EINVAL ? 1 : r;
}

int wipe_ranges(const char *path, const struct stat *known, const struct wipe_range *ranges,
	size_t n_ranges, char **ret_why) {
	const struct wipe wipe = {
		.path = path,
		.known = known,
		.ranges = ranges,
		.n_ranges = n_ranges,
		.folder_fd = -1,
		.old_fd = -1,
		.new_fd = -1,
	};
	sigset_t all, before;
	int r;

	/* A person's ^C must not leave a copy with the other tokens behind. */
	(void) sigfillset(&all);
	(void) sigprocmask(SIG_BLOCK, &all, &before);
	r = wipe_run(wipe, ret_why);
	(void) sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
