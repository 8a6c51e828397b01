#pragma once

/* A crate's file in a sparse index: one JSON object a line, one line a version. */

#include <stddef.h>

/* What the file tells; only well-formed values, NULL where there is none. */
struct crate_file {
	char *last_version;    /* of the last line; registries append, and a yanked one counts */
	char *highest_version; /* by Semantic Versioning; a yanked one counts */
	char *checksum;	       /* of the version that was asked for */
};

#define CRATE_FILE_NULL ((struct crate_file){0})

/* The file's URL under an index's root (no slash at its end). 0 or -ENOMEM; caller frees *ret. */
int crate_file_url(const char *root, const char *crate, char **ret);

/*
 * Reads the lines of exactly this crate; others, and lines that cannot be read,
 * are passed over. `version` may be NULL. Returns 0 and *ret (end it with
 * crate_file_done), -EBADMSG if no line is left, -ENOMEM.
 */
int crate_file_read(const char *text, size_t size, const char *crate, const char *version,
	struct crate_file *ret);
void crate_file_done(struct crate_file *file);
