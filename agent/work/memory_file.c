#include "memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int memory_file_check_empty(int fd) {
	struct stat status;

	/*
	 * Other kinds of files have no seals to ask for. Where programs in memory are
	 * forbidden (vm.memfd_noexec), a new one has F_SEAL_EXEC.
	 */
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & ALL_SEALS) != 0 || fstat(fd, &status) < 0 || status.st_size != 0)
		return -EINVAL;
	return 0;
}

int memory_file_check_sealed(int fd, struct sealed_file *ret) {
	struct stat status;

	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & ALL_SEALS) != ALL_SEALS || fstat(fd, &status) < 0)
		return -EINVAL;
	*ret = (struct sealed_file){.fd = fd, .size = (uint64_t) status.st_size};
	return 0;
}

int memory_file_write(int fd, const void *bytes, size_t size) {
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		at += n;
		size -= (size_t) n;
	}
	return 0;
}

int memory_file_seal(int fd) {
	return fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0 ? -errno : 0;
}
