#pragma once

/*
 * Our two folders: data (the vault) and state (audit log, recorded choices).
 * Both 0700 and ours; found by the XDG Base Directory rules.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

enum home {
	HOME_DATA,  /* $XDG_DATA_HOME/cpub-agent, else ~/.local/share/cpub-agent */
	HOME_STATE, /* $XDG_STATE_HOME/cpub-agent, else ~/.local/state/cpub-agent */
};

/* The folder's path (caller frees): 0, -ENOENT (no absolute path in the environment), -ENOMEM. */
int home_path(enum home home, char **ret);

/*
 * Opens it; `may_create` makes it and its parents if need be. 0 and a
 * descriptor, -ENOENT, -EPERM (not ours), -EACCES (open to others), or another
 * negative errno.
 */
int home_open(enum home home, bool may_create, int *ret);
/* The same for the path that home_path told at some earlier time. */
int home_open_path(const char *path, bool may_create, int *ret);

/*
 * Replaces a small file in `directory` as a whole: written beside it as
 * NAME.new, synced, renamed, directory synced. The old file or the new one is
 * there at every moment. 0 or a negative errno, and then the old one is.
 */
int home_replace(int directory, const char *name, const void *bytes, size_t size);

/*
 * Reads a regular file of ours that nobody else can read, up to `max` bytes.
 * 0 and the bytes (caller frees), -ENOENT, -EACCES (a link, no file, not ours,
 * or open to others), -EFBIG, or another negative errno.
 */
int home_read(int directory, const char *name, size_t max, uint8_t **ret, size_t *ret_size);
