/*
 * Assuan (libassuan manual, "Server responses" and "Client requests"): we send
 * lines, each answered by any number of "S …", "# …" and "D …" lines and then
 * one "OK …" or "ERR number …". `%`, CR and LF are written %XX in both directions.
 */

#include "pinentry.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"

#include "protocol/cleanup.h"
#include "protocol/names.h"
#include "protocol/secret.h"

/* Longest line in either direction, its LF included. */
#define LINE_MAX_SIZE 1000u

/* Error codes of libgpg-error; the source, in the upper bits, does not matter. */
#define CODE_MASK 0xffffu
#define CODE_TIMEOUT 62u
#define CODE_CANCELED 99u
#define CODE_NOT_CONFIRMED 114u
#define CODE_FULLY_CANCELED 198u

struct pinentry {
	struct child child;
	uint64_t deadline_usec;
	/* What was received: the current line, then bytes of the next ones. */
	struct secret *received;
	size_t n_received;
	size_t line_size;
	/* What came in D lines. */
	struct secret *value;
	size_t value_size;
	bool is_too_long;
};

static void pinentry_done(struct pinentry *pinentry) {
	child_done(&pinentry->child);
	pinentry->received = secret_free(pinentry->received);
	pinentry->value = secret_free(pinentry->value);
}

/* The next line without its LF, borrowed until the next call. */
static enum refusal pinentry_next_line(
	struct pinentry *pinentry, const char **ret, size_t *ret_size) {
	uint8_t *bytes = secret_bytes(pinentry->received);

	pinentry->n_received -= pinentry->line_size;
	memmove(bytes, bytes + pinentry->line_size, pinentry->n_received);
	pinentry->line_size = 0;
	for (;;) {
		const uint8_t *end = memchr(bytes, '\n', pinentry->n_received);
		if (end) {
			pinentry->line_size = (size_t) (end - bytes) + 1;
			*ret = (const char *) bytes;
			*ret_size = pinentry->line_size - 1;
			return REFUSAL_NONE;
		}
		if (pinentry->n_received == LINE_MAX_SIZE)
			return REFUSAL_PROMPT_FAILED;

		size_t n;
		enum refusal refusal = child_read(&pinentry->child, pinentry->deadline_usec,
			bytes + pinentry->n_received, LINE_MAX_SIZE - pinentry->n_received, &n);
		if (refusal != REFUSAL_NONE)
			return refusal;
		if (n == 0)
			return REFUSAL_PROMPT_FAILED;
		pinentry->n_received += n;
	}
}

static int hexadecimal_value(char digit) {
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

/* Appends the text of one D line to the value. */
static enum refusal pinentry_take_value(
	struct pinentry *pinentry, const char *escaped, size_t size) {
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t) escaped[i];
		if (byte == '%') {
			int high = i + 2 < size ? hexadecimal_value(escaped[i + 1]) : -1;
			int low = high >= 0 ? hexadecimal_value(escaped[i + 2]) : -1;
			if (low < 0)
				return REFUSAL_PROMPT_FAILED;
			byte = (uint8_t) (high * 16 + low);
			i += 2;
		}
		if (pinentry->value_size == TOKEN_MAX)
			pinentry->is_too_long = true;
		else
			secret_bytes(pinentry->value)[pinentry->value_size++] = byte;
	}
	return REFUSAL_NONE;
}

/* `number` is what follows "ERR ", not terminated. */
static enum refusal pinentry_error(const char *number, size_t size) {
	unsigned long code = 0;

	for (size_t i = 0; i < size && i < 10 && number[i] >= '0' && number[i] <= '9'; i++)
		code = code * 10 + (unsigned long) (number[i] - '0');
	switch (code & CODE_MASK) {
	case CODE_CANCELED:
	case CODE_FULLY_CANCELED:
	case CODE_NOT_CONFIRMED:
		return REFUSAL_DENIED;
	case CODE_TIMEOUT:
		return REFUSAL_PROMPT_TIMEOUT;
	default:
		return REFUSAL_PROMPT_FAILED;
	}
}

/* The words after `word` and one space, if the line begins with it; else NULL. */
static const char *line_after(const char *line, size_t size, const char *word, size_t *ret_size) {
	size_t n = strlen(word);

	if (size < n || memcmp(line, word, n) != 0 || (size > n && line[n] != ' '))
		return NULL;
	*ret_size = size > n ? size - n - 1 : 0;
	return line + (size > n ? n + 1 : n);
}

/* Reads up to the "OK" or "ERR" that ends every answer. */
static enum refusal pinentry_take_answer(struct pinentry *pinentry) {
	for (;;) {
		const char *line, *rest;
		size_t size, rest_size;
		enum refusal refusal = pinentry_next_line(pinentry, &line, &size);
		if (refusal != REFUSAL_NONE)
			return refusal;

		if (line_after(line, size, "OK", &rest_size))
			return REFUSAL_NONE;
		rest = line_after(line, size, "ERR", &rest_size);
		if (rest)
			return pinentry_error(rest, rest_size);
		rest = line_after(line, size, "D", &rest_size);
		if (rest) {
			refusal = pinentry_take_value(pinentry, rest, rest_size);
			if (refusal != REFUSAL_NONE)
				return refusal;
		} else if (size > 0 && line[0] != '#' && !line_after(line, size, "S", &rest_size)) {
			return REFUSAL_PROMPT_FAILED; /* An inquiry, say: we have asked for none. */
		}
	}
}

/* Writes `text` to `ret` as Assuan wants it; false if it does not fit. Never cuts. */
static bool text_escape(const char *text, char *ret, size_t size) {
	size_t n = 0;

	for (; *text; text++) {
		unsigned char byte = (unsigned char) *text;
		bool must_escape = byte == '%' || byte < ' ' || byte == 0x7f;
		if (n + 4 > size)
			return false;
		if (must_escape)
			n += (size_t) snprintf(ret + n, size - n, "%%%02X", byte);
		else
			ret[n++] = (char) byte;
	}
	ret[n] = '\0';
	return true;
}

static enum refusal pinentry_command(
	struct pinentry *pinentry, const char *command, const char *argument) {
	char escaped[LINE_MAX_SIZE];
	char line[LINE_MAX_SIZE];

	if (!text_escape(argument ? argument : "", escaped, sizeof(escaped)))
		return REFUSAL_PROMPT_FAILED;
	int n = snprintf(line, sizeof(line), "%s%s%s\n", command, argument ? " " : "", escaped);
	if (n < 0 || (size_t) n >= sizeof(line))
		return REFUSAL_PROMPT_FAILED;

	enum refusal refusal =
		child_write(&pinentry->child, pinentry->deadline_usec, line, (size_t) n);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return pinentry_take_answer(pinentry);
}

static enum refusal pinentry_start(
	const char *program, uint64_t deadline_usec, struct pinentry *pinentry) {
	pinentry->deadline_usec = deadline_usec;
	if (secret_new(LINE_MAX_SIZE, &pinentry->received) < 0 ||
		secret_new(TOKEN_MAX + 1, &pinentry->value) < 0)
		return REFUSAL_NO_MEMORY;
	if (child_start(program, NULL, NULL, true, &pinentry->child) < 0)
		return REFUSAL_PROMPT_FAILED;
	return pinentry_take_answer(pinentry); /* It greets with "OK". */
}

static enum refusal pinentry_describe(
	struct pinentry *pinentry, const char *text, const char *prompt) {
	static const struct {
		const char *command, *argument;
	} settings[] = {
		{"OPTION", "lc-ctype=C.UTF-8"},
		{"SETTITLE", "cpub-agent"},
	};

	/* Not every pinentry knows these; it then says ERR, and goes on without. */
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		(void) pinentry_command(pinentry, settings[i].command, settings[i].argument);

	enum refusal refusal = pinentry_command(pinentry, "SETDESC", text);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return prompt ? pinentry_command(pinentry, "SETPROMPT", prompt) : REFUSAL_NONE;
}

enum refusal pinentry_read(const char *program, const char *text, const char *prompt,
	uint64_t deadline_usec, struct secret **ret) {
	_cleanup_(pinentry_done) struct pinentry pinentry = {.child = CHILD_NULL};

	enum refusal refusal = pinentry_start(program, deadline_usec, &pinentry);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = pinentry_describe(&pinentry, text, prompt);
	if (refusal != REFUSAL_NONE)
		return refusal;
	pinentry.value_size = 0;
	refusal = pinentry_command(&pinentry, "GETPIN", NULL);
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (pinentry.is_too_long)
		return REFUSAL_BAD_TOKEN;
	if (pinentry.value_size == 0) {
		*ret = NULL;
		return REFUSAL_NONE;
	}
	secret_shrink(pinentry.value, pinentry.value_size);
	*ret = TAKE_PTR(pinentry.value);
	return REFUSAL_NONE;
}

enum refusal pinentry_confirm(
	const char *program, const char *text, const char *prompt, uint64_t deadline_usec) {
	_cleanup_(pinentry_done) struct pinentry pinentry = {.child = CHILD_NULL};
	_cleanup_(freep) char *description = NULL;

	/* A confirmation shows no prompt, so the question goes below the text. */
	if (asprintf(&description, "%s\n%s", text, prompt) < 0)
		return REFUSAL_NO_MEMORY;
	enum refusal refusal = pinentry_start(program, deadline_usec, &pinentry);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = pinentry_describe(&pinentry, description, NULL);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return pinentry_command(&pinentry, "CONFIRM", NULL);
}
