#include "workplace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/cleanup.h"

/* Each level holds a descriptor while the ones below are removed. */
#define DEPTH_MAX 128

static void remove_entry(int parent_fd, const char *name, unsigned depth);

/* By descriptors, so that no link that is put there meanwhile leads out of it. */
static void remove_inside(int fd, unsigned depth) {
	DIR *folder = fdopendir(fd);
	struct dirent *entry;

	if (!folder) {
		(void) fd_close(fd);
		return;
	}
	while ((entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_entry(dirfd(folder), entry->d_name, depth + 1);
	}
	(void) closedir(folder);
}

static void remove_entry(int parent_fd, const char *name, unsigned depth) {
	int fd;

	if (unlinkat(parent_fd, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && depth < DEPTH_MAX)
		remove_inside(fd, depth);
	else
		(void) fd_close(fd);
	(void) unlinkat(parent_fd, name, AT_REMOVEDIR);
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

static int make_target(struct workplace *workplace, const char *target) {
	int r = make_parents(target);

	if (r < 0)
		return r;
	if (mkdir(target, 0777) < 0)
		return errno == EEXIST ? 0 : -errno;
	workplace->made_target = strdup(target);
	return workplace->made_target ? 0 : -ENOMEM;
}

int workplace_make(struct workplace *workplace, const char *target) {
	_cleanup_(freep) char *folder = NULL;
	int r = make_target(workplace, target);

	if (r < 0)
		return r;
	if (asprintf(&folder, "%s/cpub-publish-XXXXXX", target) < 0) {
		folder = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(folder))
		return -errno;
	workplace->folder = TAKE_PTR(folder);
	return 0;
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

void workplace_done(struct workplace *workplace) {
	if (workplace->folder)
		remove_entry(AT_FDCWD, workplace->folder, 0);
	if (workplace->made_target)
		(void) rmdir(workplace->made_target); /* Stays if cargo left something. */
	if (workplace->lockfile)
		(void) unlink(workplace->lockfile); /* None, if cargo did not come so far. */
	free(workplace->folder);
	free(workplace->made_target);
	free(workplace->lockfile);
	*workplace = (struct workplace){0};
}
