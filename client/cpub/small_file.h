#pragma once

/* Whole files of a bounded size: configuration, certificates. */

#include <stddef.h>

/*
 * Reads a regular file of at most `max` bytes. Returns 0 and the bytes in *ret,
 * with a NUL behind them (caller frees), -ENOENT, -EISDIR, -EINVAL for what is
 * no regular file, -E2BIG, or another negative errno.
 */
int small_file_read(const char *path, size_t max, char **ret, size_t *ret_size);
