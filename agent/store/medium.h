#pragma once

/*
 * Where an image is kept. A medium knows nothing of keys or accounts; it loads
 * and saves whole images, so that it either has the old one or the new one.
 * Every call ends by one callback from the event loop, never from within.
 */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "image.h"

struct agent;
struct medium;
struct secret;

/*
 * `error` of a load: 0 and an image that the callback takes over; -ENOENT
 * (nothing there), -EBADMSG (damaged), -ENOTSUP (newer format), -EACCES (not
 * ours alone). Of any operation on a keyring: -ENOKEY (it is locked), -ENXIO (it
 * cannot be reached), -ETIMEDOUT (it does not answer), -ECANCELED (it said no).
 * Of a save: 0; -EEXIST (something is there already, at the first
 * save), -ESTALE (changed by another since the last load or save); then
 * nothing was written. Of an erase: 0, also if nothing is there; -EEXIST or
 * -ESTALE as above, for it is not ours to erase. Else any negative errno. After
 * -ETIMEDOUT, -EINPROGRESS or -EIO of a save it may have happened all the same.
 */
typedef void (*medium_done_t)(int error, struct image *image, void *userdata);
/* -ENOENT: there is none. The callback takes the key over. */
typedef void (*medium_key_done_t)(int error, struct secret *key, void *userdata);

struct medium_ops {
	/* As in `init --store NAME` and in the recorded choice. */
	const char *name;
	void (*load)(struct medium *medium);
	void (*save)(struct medium *medium, const struct image *image);
	void (*erase)(struct medium *medium);
	/* NULL for a medium that no key can lie beside. */
	void (*load_key)(struct medium *medium);
	/* Shown to people, borrowed; NULL for a medium without one. */
	const char *(*path)(const struct medium *medium);
	void (*free)(struct medium *medium);
};

/* Embedded in each medium; its members are medium.c's. */
struct medium {
	const struct medium_ops *ops;
	sd_event_source *post;
	medium_done_t done;
	medium_key_done_t key_done; /* in place of `done` */
	void *userdata;
	int error;
	struct image *image;
	struct secret *loaded_key;
	bool is_busy;
	/* For the operation under way, or about to be. */
	bool may_ask;
	bool has_key;
	struct secret *key;
};

/* For the media: at birth, and once at the end of each operation (takes `image`). */
int medium_init(struct medium *medium, const struct medium_ops *ops, sd_event *event);
void medium_complete(struct medium *medium, int error, struct image *image);
/* The same for load_key. */
void medium_complete_key(struct medium *medium, int error, struct secret *key);

/* The next load may have a person asked (by the keyring, to unlock it). */
void medium_let_ask(struct medium *medium);
/*
 * From the next save on a key lies beside the image, or none does any more;
 * `key` (taken over) is the one to put there, NULL to leave what is there.
 * 0, or -ENOTSUP where none can.
 */
int medium_set_key(struct medium *medium, bool has_key, struct secret *key);

/* 0, or -EBUSY while another operation runs; `image` is only read during the call. */
int medium_load(struct medium *medium, medium_done_t done, void *userdata);
int medium_save(struct medium *medium, const struct image *image, medium_done_t done,
	void *userdata);
/* Removes what was last loaded or saved here. */
int medium_erase(struct medium *medium, medium_done_t done, void *userdata);
/* 0, -EBUSY, or -ENOTSUP. */
int medium_load_key(struct medium *medium, medium_key_done_t done, void *userdata);
/* An operation that is under way does not call back any more. */
struct medium *medium_free(struct medium *medium);
DEFINE_CLEANUP(struct medium, medium_free)

/* Shown to people, borrowed; NULL for memory. */
const char *medium_path(const struct medium *medium);

/* The media there are (media.c). -ENOTSUP for an unknown name. */
int medium_new(const char *name, struct agent *agent, struct medium **ret);
int file_medium_new(struct agent *agent, struct medium **ret);
int keyring_medium_new(struct agent *agent, struct medium **ret);
int memory_medium_new(struct agent *agent, struct medium **ret);
