#pragma once

/*
 * Takes lines out of a file and overwrites what held them. The rest is copied
 * by the kernel, byte for byte: none of it enters this program.
 */

#include <stddef.h>
#include <sys/stat.h>

/* Bytes from `start` up to `end`. */
struct wipe_range {
	size_t start, end;
};

/*
 * Removes the ranges, which are in order and apart from each other, from the
 * file, if it is still the one that `known` tells of. Mode and owner stay.
 * Returns 0; 1 where the lines are gone and the old bytes could not be
 * overwritten; -EINVAL where nothing was changed, or -ENOMEM. With 1 and -EINVAL
 * *ret_why is a sentence (caller frees).
 */
int wipe_ranges(const char *path, const struct stat *known, const struct wipe_range *ranges,
	size_t n_ranges, char **ret_why);
