#pragma once

/*
 * A terminal that was lent to us: it belongs to another session, perhaps to a
 * program that watches a progress bar, so nothing of it is changed but its modes
 * while a question stands, and those are put back on every way out, SIGTERM and
 * SIGHUP included. It is never reopened by name and never made non-blocking.
 */

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct secret;
struct terminal;

/*
 * `fd` is borrowed; one terminal at a time. REFUSAL_NONE and *ret (end it with
 * terminal_close), REFUSAL_PROMPT_FAILED if `fd` is no terminal open for reading
 * and writing, REFUSAL_NO_MEMORY.
 */
enum refusal terminal_open(int fd, uint64_t deadline_usec, struct terminal **ret);

/* Puts the modes back. NULL is fine. Returns NULL. */
struct terminal *terminal_close(struct terminal *terminal);
DEFINE_CLEANUP(struct terminal, terminal_close)

/*
 * Echo, signals and line editing off until terminal_close. REFUSAL_NONE only if
 * the terminal says that this is so.
 */
enum refusal terminal_hush(struct terminal *terminal);

/* Rings. */
enum refusal terminal_ring(struct terminal *terminal);

/* Writes lines, beginning on a fresh one and ending at the start of another. */
enum refusal terminal_say(struct terminal *terminal, const char *text);

/*
 * Shows the prompt and reads one line, after terminal_hush. What was typed
 * before is thrown away. REFUSAL_NONE and *ret (caller frees; NULL for an empty
 * line), REFUSAL_DENIED, REFUSAL_BAD_TOKEN (over TOKEN_MAX bytes; the rest of
 * the line is eaten), REFUSAL_PROMPT_TIMEOUT, REFUSAL_PROMPT_FAILED,
 * REFUSAL_NO_MEMORY.
 */
enum refusal terminal_read(
	struct terminal *terminal, const char *prompt, bool is_shown, struct secret **ret);
