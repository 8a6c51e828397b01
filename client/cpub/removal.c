#include "removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "protocol/cleanup.h"

/* Each level holds a descriptor while the ones below are removed. */
#define DEPTH_MAX 128
/* What is ours in there are some files. */
#define REMOVAL_USEC (5 * CALL_USEC_PER_SEC)

static void remove_entry(int parent_fd, const char *name, unsigned depth, uint64_t deadline);

static void remove_inside(int fd, const char *kept, unsigned depth, uint64_t deadline) {
	DIR *folder = fdopendir(fd);
	struct dirent *entry;

	if (!folder) {
		(void) fd_close(fd);
		return;
	}
	while (call_deadline(0) < deadline && (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			(!kept || strcmp(entry->d_name, kept) != 0))
			remove_entry(dirfd(folder), entry->d_name, depth + 1, deadline);
	}
	(void) closedir(folder);
}

static void remove_entry(int parent_fd, const char *name, unsigned depth, uint64_t deadline) {
	int fd;

	if (unlinkat(parent_fd, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && depth < DEPTH_MAX)
		remove_inside(fd, NULL, depth, deadline);
	else
		(void) fd_close(fd);
	(void) unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void removal_inside(const char *path, const char *kept) {
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		remove_inside(fd, kept, 0, call_deadline(REMOVAL_USEC));
}
