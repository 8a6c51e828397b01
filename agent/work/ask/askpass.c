#include "askpass.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "child.h"
#include "pinentry.h"

#include "protocol/cleanup.h"
#include "protocol/names.h"
#include "protocol/secret.h"

/* A line of TOKEN_MAX bytes with its line end still fits; what fills this is too long. */
#define OUTPUT_SIZE (TOKEN_MAX + 3)

static bool askpass_is_pinentry(const char *program) {
	const char *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "pinentry", strlen("pinentry")) == 0;
}

/* Reads to the end of the program's output. *ret_size may be 0. */
static enum refusal askpass_read_output(const struct child *child, uint64_t deadline_usec,
	struct secret *output, size_t *ret_size) {
	size_t size = 0;

	for (;;) {
		size_t n;
		if (size == OUTPUT_SIZE)
			return REFUSAL_BAD_TOKEN;
		enum refusal refusal = child_read(
			child, deadline_usec, secret_bytes(output) + size, OUTPUT_SIZE - size, &n);
		if (refusal != REFUSAL_NONE)
			return refusal;
		if (n == 0) {
			*ret_size = size;
			return REFUSAL_NONE;
		}
		size += n;
	}
}

/* Cuts to the first line, as ssh does (readpass.c, ssh_askpass). */
static size_t first_line_size(const struct secret *output, size_t size) {
	const uint8_t *bytes = secret_peek(output);
	size_t n = 0;

	while (n < size && bytes[n] != '\r' && bytes[n] != '\n')
		n++;
	return n;
}

/* Runs the program and takes its first line: *ret is NULL if that is empty. */
static enum refusal askpass_run(const char *program, const char *text, const char *prompt,
	const char *hint, uint64_t deadline_usec, struct secret **ret) {
	_cleanup_(child_done) struct child child = CHILD_NULL;
	_cleanup_(secret_freep) struct secret *output = NULL;
	_cleanup_(freep) char *question = NULL;
	size_t size;

	if (asprintf(&question, "%s%s%s", text, *text ? "\n" : "", prompt) < 0)
		return REFUSAL_NO_MEMORY;
	if (secret_new(OUTPUT_SIZE, &output) < 0)
		return REFUSAL_NO_MEMORY;
	if (child_start(program, question, hint, false, &child) < 0)
		return REFUSAL_PROMPT_FAILED;
	enum refusal refusal = askpass_read_output(&child, deadline_usec, output, &size);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = child_wait(&child, deadline_usec);
	if (refusal != REFUSAL_NONE)
		return refusal;

	size = first_line_size(output, size);
	if (size > TOKEN_MAX)
		return REFUSAL_BAD_TOKEN;
	secret_shrink(output, size);
	*ret = size > 0 ? TAKE_PTR(output) : NULL;
	return REFUSAL_NONE;
}

enum refusal askpass_read(const char *program, const char *text, const char *prompt,
	uint64_t deadline_usec, struct secret **ret) {
	if (askpass_is_pinentry(program))
		return pinentry_read(program, text, prompt, deadline_usec, ret);
	return askpass_run(program, text, prompt, NULL, deadline_usec, ret);
}

/*
 * A program that does not know the hint shows an entry line, and exits with 0
 * also for a typed "no": as in ssh, only nothing and "yes" are a yes.
 */
static bool output_is_yes(const struct secret *output) {
	return !output ||
	       (secret_size(output) == strlen("yes") &&
		       strncasecmp((const char *) secret_peek(output), "yes", strlen("yes")) == 0);
}

enum refusal askpass_confirm(
	const char *program, const char *text, const char *prompt, uint64_t deadline_usec) {
	_cleanup_(secret_freep) struct secret *output = NULL;

	if (askpass_is_pinentry(program))
		return pinentry_confirm(program, text, prompt, deadline_usec);
	enum refusal refusal =
		askpass_run(program, text, prompt, "confirm", deadline_usec, &output);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return output_is_yes(output) ? REFUSAL_NONE : REFUSAL_DENIED;
}
