#pragma once

/*
 * A question by a dialogue program, where there is no terminal: one that works
 * as ssh's SSH_ASKPASS does, or, if its name begins with "pinentry", by that.
 */

#include <stdint.h>

#include "protocol/refusal.h"

struct secret;

/*
 * Asks for a secret. REFUSAL_NONE and *ret (caller frees; NULL if it is empty),
 * or as terminal_read. `text` may be "".
 */
enum refusal askpass_read(const char *program, const char *text, const char *prompt,
	uint64_t deadline_usec, struct secret **ret);

/* Asks for a yes. REFUSAL_NONE is it. */
enum refusal askpass_confirm(
	const char *program, const char *text, const char *prompt, uint64_t deadline_usec);
