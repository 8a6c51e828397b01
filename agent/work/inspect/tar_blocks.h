#pragma once

/*
 * Watches the blocks of a tar archive go by, and lets only the plain ones through:
 * files and folders in ustar or GNU form, long names of either kind, two blocks of
 * zeros at the end and only zeros behind them. What libarchive and other readers
 * forgive, each in its own way, never reaches them. It reads no names but counts:
 * what was read in the end has to agree with it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault;

#define TAR_BLOCK_SIZE ((size_t) 512)
/* Longest body of a header that belongs to the next entry. */
#define TAR_EXTRA_MAX ((size_t) 16 * 1024)

struct tar_blocks {
	unsigned char block[TAR_BLOCK_SIZE];
	size_t n_block;	     /* bytes of it that are there */
	uint64_t body;	     /* bytes of the current body that are to come, with padding */
	char extra_type;     /* 'x' or 'L' while such a body comes, else 0 */
	bool has_extra;	     /* one came, and its entry has not */
	uint64_t extra_size; /* what a pax header says of the size */
	bool has_extra_size;
	size_t n_extra;
	size_t extra_length;
	char extra[TAR_EXTRA_MAX];
	unsigned n_zero_blocks; /* at the end */

	uint64_t n_files;
	uint64_t n_folders;
	uint64_t n_bytes; /* of all files */
};

/* All zeros is a fresh one. 0, or a negative errno: -EBADMSG with a fault. */
int tar_blocks_take(struct tar_blocks *blocks, const void *bytes, size_t size, struct fault *fault);
/* At the end of the stream. */
int tar_blocks_finish(const struct tar_blocks *blocks, struct fault *fault);
