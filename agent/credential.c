#include "credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/cleanup.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define CREDENTIAL "cpub-passphrase"
/* The line, its end, and one byte that shows it to be too long. */
#define SIZE_MAX_TAKEN (TOKEN_MAX + 3)

static int credential_open(int *ret) {
	const char *path = getenv("CREDENTIALS_DIRECTORY");
	_cleanup_(fd_closep) int directory = -1, fd = -1;
	struct stat status;

	if (!path || path[0] != '/')
		return -ENOENT;
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return -errno;
	/* O_NONBLOCK so that a FIFO of that name cannot hold us up; files ignore it. */
	fd = openat(
		directory, CREDENTIAL, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EBADMSG;
	*ret = TAKE_FD(fd);
	return 0;
}

/* Reads to the end, or all that there is room for. The size, or a negative errno. */
static ssize_t read_whole(int fd, uint8_t *bytes, size_t room) {
	size_t size = 0;

	while (size < room) {
		ssize_t n = read(fd, bytes + size, room - size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			size += (size_t) n;
	}
	return (ssize_t) size;
}

/* Without one newline, or carriage return and newline, at the end. */
static size_t without_line_end(const uint8_t *bytes, size_t size) {
	if (size == 0 || bytes[size - 1] != '\n')
		return size;
	size--;
	return size > 0 && bytes[size - 1] == '\r' ? size - 1 : size;
}

int credential_read(struct secret **ret) {
	_cleanup_(secret_freep) struct secret *passphrase = NULL;
	_cleanup_(fd_closep) int fd = -1;
	uint8_t *bytes;
	ssize_t n;
	size_t size;
	int r;

	r = credential_open(&fd);
	if (r < 0)
		return r;
	r = secret_new(SIZE_MAX_TAKEN, &passphrase);
	if (r < 0)
		return r;
	bytes = secret_bytes(passphrase);
	n = read_whole(fd, bytes, SIZE_MAX_TAKEN);
	if (n < 0)
		return (int) n;
	size = without_line_end(bytes, (size_t) n);
	/* A second line, or a NUL, is in no passphrase that was ever typed. */
	if (size == 0 || size > TOKEN_MAX || memchr(bytes, '\n', size) || memchr(bytes, 0, size))
		return -EBADMSG;
	secret_shrink(passphrase, size);
	*ret = TAKE_PTR(passphrase);
	return 0;
}

bool credential_is_given(void) {
	_cleanup_(fd_closep) int fd = -1;

	return credential_open(&fd) != -ENOENT;
}
