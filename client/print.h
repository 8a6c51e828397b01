#pragma once

/*
 * What the command line says: answers on standard output and errors on standard
 * error, as text or (--json) as one line of JSON. Whatever came from the agent,
 * a registry or a file goes through print_clean, so that it cannot steer a terminal.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/refusal.h"

struct print {
	bool is_json;
	bool is_quiet;
	bool is_verbose;
	bool has_color;	      /* on standard output */
	bool has_error_color; /* on standard error */
};

enum print_color {
	PRINT_COLOR_AUTO,
	PRINT_COLOR_ALWAYS,
	PRINT_COLOR_NEVER,
};

enum print_style {
	PRINT_GOOD,
	PRINT_WARN,
	PRINT_BAD,
	PRINT_PLAIN,
};

/* Settles colour: `auto` means on a terminal, without NO_COLOR and with a TERM that can. */
void print_init(struct print *print, enum print_color color);

/* True for strict UTF-8. */
bool print_is_utf8(const char *text);

/*
 * Writes a text for people: printable characters as they are; control bytes,
 * broken UTF-8, and characters that are invisible or change the direction of
 * writing as '?'.
 */
void print_clean(FILE *file, const char *text);

/*
 * One row "  label      text…" on standard output. %s of the format is cleaned,
 * since the whole text is, and so is the label.
 */
__attribute__((format(printf, 4, 5))) void print_row(const struct print *print, const char *label,
	enum print_style style, const char *format, ...);
/* A line of its own on standard output, cleaned. */
__attribute__((format(printf, 1, 2))) void print_line(const char *format, ...);
/* A line on standard error, "cpub-agent: …", unless --quiet. */
__attribute__((format(printf, 2, 3))) void print_note(
	const struct print *print, const char *format, ...);

/* Says an error in both places that belong to it; `detail` may be NULL. */
void print_error(
	const struct print *print, const char *code, const char *message, const char *detail);
/* The same for a refusal; `message` may be NULL. Returns its exit code. */
enum exit_code print_refusal(
	const struct print *print, enum refusal refusal, const char *message, const char *detail);
/* One more line below an error, "  label: text". */
__attribute__((format(printf, 2, 3))) void print_below(
	const char *label, const char *format, ...);
/* A mistake of the command line, with code "usage". Returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) enum exit_code print_usage(
	const struct print *print, const char *format, ...);

/*
 * Prints the object behind Ok of an answer's line, as it came, with "schema":1
 * before its members. The line must have passed reply_parse.
 */
void print_ok_json(const char *line, size_t size);

/* Prints one line of JSON that we wrote ourselves, with the same care. */
void print_document(const char *line, size_t size);

/* "22 min", "2026-11-22": short forms for rows, in a buffer of PRINT_SHORT_SIZE. */
#define PRINT_SHORT_SIZE 32
const char *print_duration(int64_t seconds, char buffer[PRINT_SHORT_SIZE]);
/* "9 B", "12.3 KiB", "4.0 MiB". */
const char *print_bytes(int64_t bytes, char buffer[PRINT_SHORT_SIZE]);
const char *print_day(int64_t unix_seconds, char buffer[PRINT_SHORT_SIZE]);
/* "2026-11-22 14:03:10", as the clock on the wall here shows it. */
const char *print_time(int64_t unix_seconds, char buffer[PRINT_SHORT_SIZE]);

#define PRINT_EXPIRY_SIZE 80
/*
 * "2027-02-20, in 90 days" and PRINT_PLAIN; from 14 days on with the advice and
 * PRINT_WARN; PRINT_BAD when it is over. Unix time; the day is that of UTC.
 */
enum print_style print_expiry(int64_t expires, char buffer[PRINT_EXPIRY_SIZE]);
