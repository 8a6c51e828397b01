#include "inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "agent/log.h"
#include "protocol/cleanup.h"

/* The path to which it is bound. -EINVAL without one: unnamed, or of the abstract kind. */
static int path_of(int fd, char **ret) {
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(address);
	size_t length;
	char *path;

	if (getsockname(fd, (struct sockaddr *) &address, &size) < 0)
		return -errno;
	if (size <= offsetof(struct sockaddr_un, sun_path) || address.sun_path[0] != '/')
		return -EINVAL;
	/* The kernel ends a path with NUL only where there is room for it. */
	length = strnlen(address.sun_path, size - offsetof(struct sockaddr_un, sun_path));
	path = strndup(address.sun_path, length);
	if (!path)
		return -ENOMEM;
	*ret = path;
	return 0;
}

int inherited_take(int *ret_socket, char **ret_path) {
	int fd = SD_LISTEN_FDS_START, n = sd_listen_fds(1), r;

	if (n <= 0)
		return n;
	if (n > 1) {
		log_warning("%d sockets were handed over at the start, and one is needed; name one "
			    "ListenStream= in the socket unit",
			n);
		return -EINVAL;
	}
	r = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0);
	if (r > 0)
		r = path_of(fd, ret_path);
	else if (r == 0)
		r = -EINVAL;
	if (r == -EINVAL)
		log_warning("what was handed over at the start is no listening stream socket with "
			    "a path; correct ListenStream= in the socket unit");
	if (r < 0)
		return r;
	*ret_socket = fd;
	return 1;
}
