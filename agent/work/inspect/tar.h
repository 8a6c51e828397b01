#pragma once

/* A crate file, entry by entry, in the order of the archive. What is odd about it is a fault. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct fault;
struct sealed_file;
struct tar;

struct tar_entry {
	const char *name; /* borrowed until the next entry */
	bool is_folder;
	uint64_t size;
};

/* The file and the fault stay the caller's. 0 and *ret, or a negative errno. */
int tar_new(const struct sealed_file *file, struct fault *fault, struct tar **ret);
struct tar *tar_free(struct tar *tar);
DEFINE_CLEANUP(struct tar, tar_free)

/*
 * 1 and the next entry; 0 when all were there and the file was in order to its last
 * byte; a negative errno, -EBADMSG with a fault.
 */
int tar_next(struct tar *tar, struct tar_entry *ret);

/* More of the entry's content: 1 and bytes, borrowed until the next call; 0 at its end; or as
 * above. */
int tar_read(struct tar *tar, const void **ret, size_t *ret_size);
