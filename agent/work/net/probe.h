#pragma once

/* What crates.io's GET /api/v1/me tells about a token. */

#include <stddef.h>

#include "agent/work/frame.h"

struct secret;

/*
 * The verdict on the token by status and body: VERDICT_UNKNOWN for all but the
 * words that we know, also for 200. What the server said, as words_tell has it of the
 * token that was sent, is in *ret_words (caller frees), or NULL. 0 or -ENOMEM.
 */
int probe_read(long status, const char *body, size_t size, const struct secret *token,
	enum verdict *ret, char **ret_words);
