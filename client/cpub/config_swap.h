#pragma once

/*
 * Replaces a person's configuration file as a whole: the new one is written
 * beside it, synced, renamed over it. Bytes that stay are copied by the kernel
 * and never enter this program: there may be tokens among them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "protocol/cleanup.h"

struct config_edit;

struct config_swap {
	char *folder;
	char *name;
	int folder_fd;
	/* The file as it is now; -1 if there is none. */
	int old_fd;
	struct stat old;
	/* The new one lies under its own name. */
	bool is_prepared;
};

#define CONFIG_SWAP_NULL ((struct config_swap){.folder_fd = -1, .old_fd = -1})
#define CONFIG_SWAP_NEW ".cpub-new"
#define CONFIG_SWAP_BACKUP ".cpub-backup"

/*
 * Opens the folder (made, 0700, if `may_create`) and the file in it, and checks
 * that both are ours alone to write. Returns 0 and *ret (done with
 * config_swap_done), -ELOOP (a symlink), -EPERM (not ours), -EACCES (others may
 * write), -EMLINK (the file has other names), -EINVAL (no regular file), or
 * another negative errno. config_swap_advice has a sentence for each.
 */
int config_swap_open(
	const char *folder, const char *name, bool may_create, struct config_swap *ret);
const char *config_swap_advice(int error);
/* What was not committed is removed. */
void config_swap_done(struct config_swap *swap);

/*
 * Writes the new file, with the edit done and the old mode, beside the old one,
 * and its path into *ret_path (caller frees). 0 or a negative errno.
 */
int config_swap_prepare(struct config_swap *swap, const struct config_edit *edit, char **ret_path);
/* Puts it in the place of the old one: -ESTALE if that has changed meanwhile. */
int config_swap_commit(struct config_swap *swap);

bool config_swap_has_backup(const struct config_swap *swap);
/* Copies the file as it is into NAME.cpub-backup, in place of an older one. */
int config_swap_back_up(struct config_swap *swap);
/* Makes the backup the file again: -ENOENT if there is none. */
int config_swap_restore(struct config_swap *swap);
/* Removes the file. */
int config_swap_remove(struct config_swap *swap);

/*
 * Whether the file is the backup with this edit done, byte for byte: 1, 0, or a
 * negative errno; -ENOENT without a backup.
 */
int config_swap_is_edited_backup(const struct config_swap *swap, const struct config_edit *edit);
