#pragma once

/* A crate file that was read once from its first to its last byte: its listing and its manifest. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/work/inspect/listing.h"
#include "agent/work/memory_file.h"

struct fault;

/* The names of the manifest, below the top folder. */
#define MANIFEST_NAME "Cargo.toml"

struct crate {
	struct sealed_file file;
	struct listing listing;
	char *manifest; /* its bytes; NULL if there is none */
	size_t manifest_size;
};

/*
 * Reads a file, which stays the caller's, with a checksum for each file in it if wanted.
 * Fills *crate, which crate_done ends in any case. 0, or a negative errno.
 */
int crate_read(
	const struct sealed_file *file, bool with_sums, struct crate *crate, struct fault *fault);
void crate_done(struct crate *crate);

/*
 * Reads once more for the content of one file in it, of `size_max` bytes at most, with a
 * NUL behind it: 0 and *ret (caller frees), or a negative errno.
 */
int crate_read_file(const struct crate *crate, const char *name, size_t size_max, char **ret,
	size_t *ret_size, struct fault *fault);
