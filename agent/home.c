#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
	const char *variable;
	const char *below_home;
} homes[] = {
	[HOME_DATA] = {"XDG_DATA_HOME", ".local/share"},
	[HOME_STATE] = {"XDG_STATE_HOME", ".local/state"},
};

int home_path(enum home home, char **ret) {
	const char *base = getenv(homes[home].variable);
	char *path;
	int n;

	/* A relative path there is to be ignored (XDG Base Directory Specification). */
	if (base && base[0] == '/') {
		n = asprintf(&path, "%s/cpub-agent", base);
	} else {
		base = getenv("HOME");
		if (!base || base[0] != '/')
			return -ENOENT;
		n = asprintf(&path, "%s/%s/cpub-agent", base, homes[home].below_home);
	}
	if (n < 0)
		return -ENOMEM;
	*ret = path;
	return 0;
}

/* mkdir -p, all that is missing with mode 0700. */
static int make_path(const char *path) {
	_cleanup_(freep) char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (c == '\0')
			return 0;
		*p = c;
	}
}

int home_open(enum home home, bool may_create, int *ret) {
	_cleanup_(freep) char *path = NULL;
	int r;

	r = home_path(home, &path);
	return r < 0 ? r : home_open_path(path, may_create, ret);
}

int home_open_path(const char *path, bool may_create, int *ret) {
	_cleanup_(fd_closep) int fd = -1;
	struct stat status;
	int r;

	if (may_create) {
		r = make_path(path);
		if (r < 0)
			return r;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_uid != geteuid())
		return -EPERM;
	if ((status.st_mode & 077) != 0)
		return -EACCES;
	*ret = TAKE_FD(fd);
	return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size) {
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t) n;
	}
	return 0;
}

static int write_beside(int directory, const char *name, const void *bytes, size_t size) {
	_cleanup_(fd_closep) int fd = -1;
	int r;

	/* What a crash left behind; a link planted there is removed, not followed. */
	if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes, size);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int home_replace(int directory, const char *name, const void *bytes, size_t size) {
	char beside[64];
	int r;

	(void) snprintf(beside, sizeof(beside), "%s.new", name);
	r = write_beside(directory, beside, bytes, size);
	if (r == 0 && renameat(directory, beside, directory, name) < 0)
		r = -errno;
	if (r < 0) {
		(void) unlinkat(directory, beside, 0); /* The next save tries again. */
		return r;
	}
	return fsync(directory) < 0 ? -errno : 0;
}

static int read_all(int fd, uint8_t *bytes, size_t size) {
	while (size > 0) {
		ssize_t n = read(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG; /* It shrank under us. */
		bytes += n;
		size -= (size_t) n;
	}
	return 0;
}

int home_read(int directory, const char *name, size_t max, uint8_t **ret, size_t *ret_size) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	_cleanup_(fd_closep) int fd = -1;
	struct stat status;
	size_t size;
	int r;

	/* O_NONBLOCK so that a FIFO of that name cannot hold us up; files ignore it. */
	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -EACCES : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
		(status.st_mode & 077) != 0)
		return -EACCES;
	if (status.st_size < 0 || (size_t) status.st_size > max)
		return -EFBIG;
	size = (size_t) status.st_size;
	bytes = malloc(size > 0 ? size : 1);
	if (!bytes)
		return -ENOMEM;
	r = read_all(fd, bytes, size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(bytes);
	*ret_size = size;
	return 0;
}
