#include "socket_file.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "protocol/endpoint.h"

void socket_file_init(
	struct socket_file *file, const struct endpoint *endpoint, const struct stat *status) {
	*file = (struct socket_file){
		.endpoint = endpoint,
		.device = status->st_dev,
		.inode = status->st_ino,
	};
}

void socket_file_done(struct socket_file *file) {
	file->watch = sd_event_source_disable_unref(file->watch);
	file->endpoint = NULL;
}

static bool is_ours(const struct socket_file *file) {
	struct stat status;

	return fstatat(file->endpoint->directory_fd, file->endpoint->name, &status,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
	       status.st_dev == file->device && status.st_ino == file->inode;
}

/* The directory, too, can be moved away with all that is in it. */
static bool directory_is_found(const struct endpoint *endpoint) {
	struct stat ours, found;

	return fstat(endpoint->directory_fd, &ours) == 0 &&
	       lstat(endpoint->directory, &found) == 0 && ours.st_dev == found.st_dev &&
	       ours.st_ino == found.st_ino;
}

bool socket_file_is_there(const struct socket_file *file) {
	return is_ours(file) && directory_is_found(file->endpoint);
}

static int socket_file_on_event(
	sd_event_source *source, const struct inotify_event *event, void *userdata) {
	struct socket_file *file = userdata;

	(void) source;
	(void) event; /* Whatever it was: what counts is what is there now. */
	if (!socket_file_is_there(file))
		file->lost(file->userdata);
	return 0;
}

int socket_file_watch(
	struct socket_file *file, sd_event *event, void (*lost)(void *userdata), void *userdata) {
	const uint32_t events = IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF;
	int r;

	file->lost = lost;
	file->userdata = userdata;
	r = sd_event_add_inotify_fd(event, &file->watch, file->endpoint->directory_fd,
		events | IN_ONLYDIR, socket_file_on_event, file);
	if (r < 0)
		return r;
	/* It may have gone before we looked. */
	if (!socket_file_is_there(file))
		lost(userdata);
	return 0;
}

void socket_file_remove(const struct socket_file *file) {
	/* Nobody but systemd puts another there while we hold the lock; nothing closes that gap. */
	if (file->endpoint && is_ours(file))
		(void) unlinkat(file->endpoint->directory_fd, file->endpoint->name, 0);
}
