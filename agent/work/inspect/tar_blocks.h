#pragma once

/*
 * Watches the blocks of a tar archive go by, and lets only the plain ones through:
 * files and folders, long names as cargo and GNU tar write them, two blocks of zeros at
 * the end and only zeros behind them. What libarchive and other readers forgive, each in
 * its own way, never reaches them. And it reads the entries itself: what was read in the
 * end has to be the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/work/inspect/tar_header.h"

struct fault;
struct sha256;

/* Longest body of a long name: names are checked elsewhere, and shorter. */
#define TAR_LONG_NAME_MAX ((size_t) 8 * 1024)

struct tar_blocks {
	struct sha256 *entries; /* not owned: each entry is added to it */

	unsigned char block[TAR_BLOCK_SIZE];
	size_t n_block;	  /* bytes of it that are there */
	uint64_t content; /* bytes of the current body that are to come */
	size_t padding;	  /* and of the zeros behind it */
	bool in_long_name;
	bool has_long_name; /* one came, and its entry has not */
	size_t n_long_name;
	char long_name[TAR_LONG_NAME_MAX];
	unsigned n_zero_blocks; /* at the end */
};

/* All zeros but for `entries` is a fresh one. 0, or a negative errno: -EBADMSG with a fault. */
int tar_blocks_take(struct tar_blocks *blocks, const void *bytes, size_t size, struct fault *fault);
/* At the end of the stream. */
int tar_blocks_finish(const struct tar_blocks *blocks, struct fault *fault);

/* Adds one entry to a sum of all. */
void tar_blocks_add(struct sha256 *entries, bool is_folder, uint64_t size, const char *name);
