#pragma once

/*
 * A file of cargo's configuration, read without the tokens in it. People keep
 * tokens in config.toml and credentials.toml, and this program takes no secret
 * into its memory, so the bytes pass through one locked buffer, which is wiped,
 * and leave it with the value of each secret key, and each comment, hidden.
 * No byte moves: a place in the text is the same place in the file.
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"

enum veil_kind {
	VEIL_PLAIN,
	VEIL_STRING, /* its quotes too */
	VEIL_COMMENT,
};

struct veiled {
	char *text;  /* a NUL behind it */
	char *kinds; /* of each byte: veiled_kind */
	size_t size;
	/* The value of `token`, `secret-key` or X_TOKEN was hidden. */
	bool has_secret;
	/* The first line with what looks like a crates.io token somewhere else; 0 for none. */
	size_t stray_line;
};

/*
 * Reads a regular file of at most `max` bytes. Returns 0 and *ret (done with
 * veiled_done), -ENOENT, -EISDIR, -EINVAL for what is no regular file, -E2BIG,
 * or another negative errno.
 */
int veil_read(const char *path, size_t max, struct veiled *ret);
void veiled_done(struct veiled *veiled);

enum veil_kind veiled_kind(const struct veiled *veiled, size_t at);
/* True if one byte of these was hidden, so that the text there is not the file's. */
bool veiled_hides(const struct veiled *veiled, size_t from, size_t to);
