#include "harden.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

int harden_process(void) {
	const struct rlimit no_core = {0, 0};

	(void) umask(077); /* Cannot fail; the result is the old mask. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	/* With core_pattern a pipe the kernel ignores the limit, but not the line above. */
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int harden_check_untraced(void) {
	static const char label[] = "\nTracerPid:\t";
	char status[4096];
	_cleanup_(fd_closep) int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	/* One read is enough: the line is among the first, before any of variable length but Name.
	 */
	ssize_t n = read(fd, status, sizeof(status) - 1);
	if (n < 0)
		return -errno;
	status[n] = '\0';

	const char *line = strstr(status, label);
	if (!line)
		return -ENODATA;
	return strtol(line + strlen(label), NULL, 10) == 0 ? 0 : -EPERM;
}
