#pragma once

/*
 * A file read as exactly one gzip member: with its header, its checksum and its
 * length, and nothing behind it. Many readers take more than that, each its own way,
 * so that what two of them see may differ.
 */

#include <stddef.h>

#include "protocol/cleanup.h"

struct fault;
struct gzip;
struct sealed_file;

/* Bytes that one call gives at most. */
#define GZIP_CHUNK_SIZE ((size_t) 64 * 1024)

/* The file stays the caller's. 0 and *ret (free with gzip_free), or -ENOMEM. */
int gzip_new(const struct sealed_file *file, struct gzip **ret);
struct gzip *gzip_free(struct gzip *gzip);
DEFINE_CLEANUP(struct gzip, gzip_free)

/*
 * Unpacks on. 1 and bytes, borrowed until the next call; 0 at the member's end, when it
 * was whole and the file has no more; a negative errno, -EBADMSG with a fault.
 */
int gzip_read(struct gzip *gzip, const void **ret, size_t *ret_size, struct fault *fault);
