#include "small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/cleanup.h"

/* Reads until the end, or until the buffer is full. */
static int read_all(int fd, char *bytes, size_t size, size_t *ret) {
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, bytes + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t) got;
	}
	*ret = n;
	return 0;
}

int small_file_read(const char *path, size_t max, char **ret, size_t *ret_size) {
	_cleanup_(fd_closep) int fd = -1;
	_cleanup_(freep) char *bytes = NULL;
	struct stat status;
	size_t size = 0;
	int r;

	/* O_NONBLOCK: a FIFO in the place of the file must not hold us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	/* One byte more than allowed, to see a file that is too long or still grows. */
	bytes = malloc(max + 2);
	if (!bytes)
		return -ENOMEM;
	r = read_all(fd, bytes, max + 1, &size);
	if (r < 0)
		return r;
	if (size > max)
		return -E2BIG;
	bytes[size] = '\0';
	*ret = TAKE_PTR(bytes);
	*ret_size = size;
	return 0;
}
