#pragma once

/* A question by a pinentry program, in the Assuan protocol on its standard input and output. */

#include <stdint.h>

#include "protocol/refusal.h"

struct secret;

/*
 * Asks for a secret. REFUSAL_NONE and *ret (caller frees; NULL if it is empty),
 * or as terminal_read. `text` and `prompt` may be of any length that the
 * protocol's lines hold; a longer one is REFUSAL_PROMPT_FAILED, never cut.
 */
enum refusal pinentry_read(const char *program, const char *text, const char *prompt,
	uint64_t deadline_usec, struct secret **ret);

/* Asks for a yes. REFUSAL_NONE is it. */
enum refusal pinentry_confirm(
	const char *program, const char *text, const char *prompt, uint64_t deadline_usec);
