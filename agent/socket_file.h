#pragma once

/*
 * The file by which clients find our socket. systemd replaces it when it begins
 * to listen there itself, and anybody may delete it; an agent without its file
 * can be reached by nobody.
 */

#include <stdbool.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

struct endpoint;

struct socket_file {
	const struct endpoint *endpoint; /* not ours; NULL before socket_file_init */
	/* An open socket keeps its file's inode, so no other file can have the same. */
	dev_t device;
	ino_t inode;
	sd_event_source *watch;
	void (*lost)(void *userdata);
	void *userdata;
};

/* `status` is the file's, taken when it was certainly ours. The endpoint stays open meanwhile. */
void socket_file_init(
	struct socket_file *file, const struct endpoint *endpoint, const struct stat *status);
void socket_file_done(struct socket_file *file);

/*
 * Calls `lost` from the loop, once or more often, when the file is not there
 * any more or is another. 0 or a negative errno: then it is not watched.
 */
int socket_file_watch(
	struct socket_file *file, sd_event *event, void (*lost)(void *userdata), void *userdata);

/* Is what has the name still our file, and the directory still the one that is found? */
bool socket_file_is_there(const struct socket_file *file);
/* Removes it, and no other that has taken its name. */
void socket_file_remove(const struct socket_file *file);
