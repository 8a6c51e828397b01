#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SOCKET_NAME "agent.sock"
/* A socket gets ready under this name before it takes its own. */
#define SOCKET_NEW_NAME "new.sock"
/* How long to wait for a place in the queue of an agent that is busy. */
#define CONNECT_SEC 5

/* The value of a variable that holds a directory; the XDG rules ignore relative ones. */
static const char *environment_directory(const char *name) {
	const char *value = getenv(name);
	return value && value[0] == '/' ? value : NULL;
}

static int endpoint_take_given(struct endpoint *endpoint, const char *path) {
	const char *slash = strrchr(path, '/');
	if (path[0] != '/' || !slash)
		return -EINVAL;

	const char *name = slash + 1;
	if (strcmp(name, "") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;

	/* A slash at the end of a directory's path would follow a symlink there. */
	size_t length = (size_t) (slash - path);
	while (length > 0 && path[length - 1] == '/')
		length--;

	endpoint->is_given = true;
	endpoint->directory = length > 0 ? strndup(path, length) : strdup("/");
	endpoint->name = strdup(name);
	return endpoint->directory && endpoint->name ? 0 : -ENOMEM;
}

/* A directory for this machine only, because a home may be shared by several. */
static int endpoint_state_directory(char **ret) {
	const char *state = environment_directory("XDG_STATE_HOME");
	const char *home = environment_directory("HOME");
	struct utsname machine;

	if (!state && !home)
		return -ENOENT;
	if (uname(&machine) < 0)
		return -errno;
	for (char *c = machine.nodename; *c; c++) {
		if (*c == '/')
			*c = '_';
	}

	int r = asprintf(ret, "%s%s/cpub-agent/run-%s", state ? state : home,
		state ? "" : "/.local/state", machine.nodename);
	return r < 0 ? -ENOMEM : 0;
}

static int endpoint_take_default(struct endpoint *endpoint) {
	const char *runtime = environment_directory("XDG_RUNTIME_DIR");
	char *directory = NULL;

	int r = runtime ? asprintf(&directory, "%s/cpub-agent", runtime)
			: endpoint_state_directory(&directory);
	if (r < 0)
		return runtime ? -ENOMEM : r;

	endpoint->directory = directory;
	endpoint->name = strdup(SOCKET_NAME);
	return endpoint->name ? 0 : -ENOMEM;
}

int endpoint_resolve(const char *given, struct endpoint *ret) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;

	/* An empty variable counts as unset; an empty option is a mistake and is refused. */
	const char *variable = getenv("CPUB_AGENT_SOCK");
	if (!given && variable && variable[0] != '\0')
		given = variable;

	int r = given ? endpoint_take_given(&endpoint, given) : endpoint_take_default(&endpoint);
	if (r < 0)
		return r;

	*ret = endpoint;
	endpoint = ENDPOINT_NULL;
	return 0;
}

void endpoint_done(struct endpoint *endpoint) {
	free(endpoint->directory);
	free(endpoint->name);
	endpoint->directory_fd = fd_close(endpoint->directory_fd);
	*endpoint = ENDPOINT_NULL;
}

static bool path_is_below(const char *path, const char *directory) {
	if (!directory)
		return false;
	size_t length = strlen(directory);
	while (length > 0 && directory[length - 1] == '/')
		length--;
	return length > 0 && strncmp(path, directory, length) == 0 && path[length] == '/';
}

/*
 * Makes the directory, and missing ones above it only where they are the
 * user's own to make: a runtime directory that is missing belongs to a session
 * that is over, and making it would hide that.
 */
static int directory_make(const char *path, bool with_parents) {
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT || !with_parents)
		return -errno;

	const char *slash = strrchr(path, '/');
	if (!slash || slash == path)
		return -ENOENT;
	_cleanup_(freep) char *parent = strndup(path, (size_t) (slash - path));
	if (!parent)
		return -ENOMEM;

	int r = directory_make(parent, true);
	if (r < 0)
		return r;
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

/* 0 and a descriptor only for *at calls; a symlink is opened itself, to be refused by name. */
static int directory_open(const char *path, int *ret) {
	struct stat status;
	_cleanup_(fd_closep) int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;

	if (S_ISLNK(status.st_mode))
		return -ELOOP;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	if (status.st_uid != geteuid())
		return -EPERM;
	if ((status.st_mode & 077) != 0)
		return -EACCES;

	*ret = TAKE_FD(fd);
	return 0;
}

int endpoint_open(struct endpoint *endpoint, bool may_create) {
	int fd = -1;

	int r = directory_open(endpoint->directory, &fd);
	if (r == -ENOENT && may_create) {
		const char *path = endpoint->directory;
		r = directory_make(
			path, path_is_below(path, environment_directory("HOME")) ||
				      path_is_below(path, environment_directory("XDG_STATE_HOME")));
		if (r == 0)
			r = directory_open(path, &fd);
	}
	if (r < 0)
		return r;

	(void) fd_close(endpoint->directory_fd); /* Of an earlier try. */
	endpoint->directory_fd = fd;
	return 0;
}

const char *endpoint_advice(int error) {
	switch (error) {
	case -EINVAL:
		return "the given socket path is not the absolute path of a file; correct "
		       "--socket or CPUB_AGENT_SOCK";
	case -ENOENT:
		return "there is no directory for the socket; set XDG_RUNTIME_DIR to one that "
		       "is there, or unset it and set HOME";
	case -ENOTDIR:
		return "where the socket's directory belongs there is something else; move it away";
	case -ELOOP:
		return "the socket's directory is a symbolic link; replace it by a directory";
	case -EPERM:
		return "the socket's directory belongs to another user; remove it, or correct "
		       "XDG_RUNTIME_DIR if you changed users";
	case -EACCES:
		return "the socket's directory is open to other users or closed to you; run "
		       "`chmod 700` on it, or correct XDG_RUNTIME_DIR if you changed users";
	case -ENOMEM:
		return "there is no memory left; try again later";
	default:
		return "the socket's directory could not be opened or made; look at the disk "
		       "and its permissions";
	}
}

/* The kernel finds an open file under this path, which is short whatever the file's own is. */
static int address_of_descriptor(int fd, const char *suffix, struct sockaddr_un *ret) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(
		address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s", fd, suffix);
	if (n < 0 || (size_t) n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	*ret = address;
	return 0;
}

static int socket_check_peer(int fd) {
	struct ucred peer;
	socklen_t size = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	return peer.uid == geteuid() ? 0 : -EPERM;
}

int endpoint_connect(const struct endpoint *endpoint, int *ret) {
	const struct timeval patience = {.tv_sec = CONNECT_SEC};
	struct sockaddr_un address;

	_cleanup_(fd_closep) int file =
		openat(endpoint->directory_fd, endpoint->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return -errno;
	int r = address_of_descriptor(file, "", &address);
	if (r < 0)
		return r;

	_cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* connect(2) waits as long as this for a full queue, and for ever without it. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	do
		r = connect(fd, (const struct sockaddr *) &address, sizeof(address));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;

	r = socket_check_peer(fd);
	if (r < 0)
		return r;
	*ret = TAKE_FD(fd);
	return 0;
}

int endpoint_check_socket(const struct endpoint *endpoint, struct stat *ret_file) {
	struct stat status;
	if (fstatat(endpoint->directory_fd, endpoint->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISSOCK(status.st_mode))
		return -ENOTSOCK;
	if (status.st_uid != geteuid())
		return -EPERM;
	if ((status.st_mode & 07777) != 0600)
		return -EACCES;
	*ret_file = status;
	return 0;
}

/* Only a socket, or nothing, may be replaced: a given path can name any file of the user. */
static int endpoint_check_replaceable(const struct endpoint *endpoint) {
	struct stat status;
	if (fstatat(endpoint->directory_fd, endpoint->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISSOCK(status.st_mode) ? 0 : -ENOTSOCK;
}

/*
 * The socket listens before it has its name, and takes it by rename: so a
 * client finds the old one or a working new one, and never one on which
 * nobody listens yet.
 */
static int endpoint_publish(
	const struct endpoint *endpoint, int fd, int backlog, struct stat *ret_file) {
	int directory = endpoint->directory_fd;
	if (fchmodat(directory, SOCKET_NEW_NAME, 0600, 0) < 0)
		return -errno;
	if (fstatat(directory, SOCKET_NEW_NAME, ret_file, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (listen(fd, backlog) < 0)
		return -errno;
	if (renameat(directory, SOCKET_NEW_NAME, directory, endpoint->name) < 0)
		return -errno;
	return 0;
}

int endpoint_listen(
	const struct endpoint *endpoint, int backlog, struct stat *ret_file, int *ret) {
	struct sockaddr_un address;

	int r = endpoint_check_replaceable(endpoint);
	if (r < 0)
		return r;
	r = address_of_descriptor(endpoint->directory_fd, "/" SOCKET_NEW_NAME, &address);
	if (r < 0)
		return r;

	_cleanup_(fd_closep) int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Left by an agent that died in between. */
	if (unlinkat(endpoint->directory_fd, SOCKET_NEW_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
		return -errno;

	r = endpoint_publish(endpoint, fd, backlog, ret_file);
	if (r < 0) {
		(void) unlinkat(endpoint->directory_fd, SOCKET_NEW_NAME, 0);
		return r;
	}
	*ret = TAKE_FD(fd);
	return 0;
}
