#include "print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/cleanup.h"
#include "protocol/json.h"
#include "protocol/json_text.h"

#define PROGRAM "cpub-agent"
#define SCHEMA 1
#define LABEL_WIDTH 10

static const char *const style_codes[] = {
	[PRINT_GOOD] = "\033[32m",
	[PRINT_WARN] = "\033[33m",
	[PRINT_BAD] = "\033[31m",
	[PRINT_PLAIN] = "",
};
#define STYLE_END "\033[0m"

/* Characters of Unicode that show nothing, or show what follows in another order. */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{0x00, 0x1f},	    /* C0 */
	{0x7f, 0x9f},	    /* DEL and C1 */
	{0xad, 0xad},	    /* soft hyphen */
	{0x34f, 0x34f},	    /* grapheme joiner */
	{0x61c, 0x61c},	    /* Arabic letter mark */
	{0x115f, 0x1160},   /* Hangul fillers */
	{0x180e, 0x180e},   /* Mongolian vowel separator */
	{0x200b, 0x200f},   /* zero width, left-to-right and right-to-left marks */
	{0x2028, 0x202e},   /* line and paragraph separators, embeddings and overrides */
	{0x2060, 0x206f},   /* word joiner, isolates, deprecated formats */
	{0x3164, 0x3164},   /* Hangul filler */
	{0xfe00, 0xfe0f},   /* variation selectors */
	{0xfeff, 0xfeff},   /* byte order mark */
	{0xfff0, 0xfffb},   /* specials */
	{0xe0000, 0xe0fff}, /* tags and more variation selectors */
};

static bool is_printable(uint32_t character) {
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (character >= hidden[i].first && character <= hidden[i].last)
			return false;
	}
	return true;
}

static bool color_is_wanted(enum print_color color, int fd) {
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	switch (color) {
	case PRINT_COLOR_ALWAYS:
		return true;
	case PRINT_COLOR_NEVER:
		return false;
	case PRINT_COLOR_AUTO:
		break;
	}
	return isatty(fd) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

void print_init(struct print *print, enum print_color color) {
	print->has_color = color_is_wanted(color, STDOUT_FILENO);
	print->has_error_color = color_is_wanted(color, STDERR_FILENO);
}

bool print_is_utf8(const char *text) {
	const uint8_t *at = (const uint8_t *) text, *end = at + strlen(text);
	uint32_t character;

	while (at < end) {
		if (!json_text_utf8(&at, end, &character))
			return false;
	}
	return true;
}

void print_clean(FILE *file, const char *text) {
	const uint8_t *at = (const uint8_t *) text, *end = at + strlen(text);

	while (at < end) {
		const uint8_t *start = at;
		uint32_t character;

		if (!json_text_utf8(&at, end, &character)) {
			fputc('?', file);
			at++;
		} else if (!is_printable(character)) {
			fputc('?', file);
		} else {
			fwrite(start, 1, (size_t) (at - start), file);
		}
	}
}

/* Formats, then cleans: a text without memory for it is said to be so. */
static void print_formatted(FILE *file, const char *format, va_list arguments) {
	_cleanup_(freep) char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	print_clean(file, text ? text : "(no memory for this text)");
}

void print_row(const struct print *print, const char *label, enum print_style style,
	const char *format, ...) {
	bool has_color = print->has_color && style != PRINT_PLAIN;
	size_t size = strlen(label);
	va_list arguments;

	/* It can be a name out of somebody's file. */
	fputs("  ", stdout);
	print_clean(stdout, label);
	printf("%*s ", size < LABEL_WIDTH ? (int) (LABEL_WIDTH - size) : 0, "");
	if (has_color)
		fputs(style_codes[style], stdout);
	va_start(arguments, format);
	print_formatted(stdout, format, arguments);
	va_end(arguments);
	puts(has_color ? STYLE_END : "");
}

void print_line(const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	print_formatted(stdout, format, arguments);
	va_end(arguments);
	putchar('\n');
}

void print_note(const struct print *print, const char *format, ...) {
	va_list arguments;

	if (print->is_quiet)
		return;
	fputs(PROGRAM ": ", stderr);
	va_start(arguments, format);
	print_formatted(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static void print_error_json(const char *code, const char *message, const char *detail) {
	struct json_writer writer;

	json_writer_init(&writer, false);
	json_write_object(&writer, NULL);
	json_write_integer(&writer, "schema", SCHEMA);
	json_write_object(&writer, "error");
	json_write_string(&writer, "code", code);
	/* A text that is no UTF-8 can only come from our own arguments and files. */
	json_write_string(&writer, "message", print_is_utf8(message) ? message : "(not UTF-8)");
	json_write_string(
		&writer, "detail", !detail || print_is_utf8(detail) ? detail : "(not UTF-8)");
	json_write_object_end(&writer);
	json_write_object_end(&writer);
	if (json_writer_finish(&writer) == 0)
		fwrite(json_writer_bytes(&writer), 1, writer.size, stdout);
	json_writer_done(&writer);
}

void print_error(
	const struct print *print, const char *code, const char *message, const char *detail) {
	(void) fflush(stdout); /* So that both streams read in order where they meet. */
	fputs(print->has_error_color ? "\033[31m" PROGRAM ":" STYLE_END " " : PROGRAM ": ", stderr);
	print_clean(stderr, message);
	fputc('\n', stderr);
	if (detail) {
		fputs("  cause: ", stderr);
		print_clean(stderr, detail);
		fputc('\n', stderr);
	}
	if (print->is_json)
		print_error_json(code, message, detail);
}

void print_below(const char *label, const char *format, ...) {
	va_list arguments;

	fprintf(stderr, "  %s: ", label);
	va_start(arguments, format);
	print_formatted(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

enum exit_code print_refusal(
	const struct print *print, enum refusal refusal, const char *message, const char *detail) {
	print_error(print, refusal_name(refusal), message ? message : refusal_sentence(refusal),
		detail);
	return refusal_exit_code(refusal);
}

enum exit_code print_usage(const struct print *print, const char *format, ...) {
	_cleanup_(freep) char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) < 0)
		message = NULL;
	va_end(arguments);
	print_error(print, "usage", message ? message : "the command line is wrong", NULL);
	return EXIT_USAGE;
}

static bool is_space(char c) {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *skip_spaces(const char *at, const char *end) {
	while (at < end && is_space(*at))
		at++;
	return at;
}

/* Behind the string that starts at `at`. */
static const char *skip_string(const char *at, const char *end) {
	for (at++; at < end && *at != '"'; at++) {
		if (*at == '\\')
			at++;
	}
	return at < end ? at + 1 : end;
}

/* Behind the value that starts at `at`: strict JSON, so brackets match. */
static const char *skip_value(const char *at, const char *end) {
	size_t depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = skip_string(at, end);
		} else if (depth == 0 &&
			   (*at == ',' || *at == '}' || *at == ']' || is_space(*at))) {
			return at;
		} else {
			if (*at == '{' || *at == '[')
				depth++;
			else if (*at == '}' || *at == ']')
				depth--;
			at++;
		}
		if (depth == 0 && (at[-1] == '}' || at[-1] == ']' || at[-1] == '"'))
			return at;
	}
	return end;
}

/* The members of the object behind the root's "Ok": what lies between its braces. */
static bool find_ok(const char *line, size_t size, const char **ret_start, const char **ret_end) {
	const char *end = line + size;
	const char *at = skip_spaces(line, end) + 1; /* behind the root's brace */

	while (at < end) {
		const char *name = skip_spaces(at, end);
		const char *behind = skip_string(name, end);
		const char *value = skip_spaces(behind, end) + 1; /* behind the colon */

		if (value >= end)
			return false;
		value = skip_spaces(value, end);
		at = skip_value(value, end);
		if (behind - name == 4 && memcmp(name, "\"Ok\"", 4) == 0 && *value == '{') {
			*ret_start = value + 1;
			*ret_end = at - 1;
			return true;
		}
		at = skip_spaces(at, end) + 1; /* behind the comma */
	}
	return false;
}

static void put_escaped(uint32_t character) {
	if (character > 0xffff) {
		character -= 0x10000;
		printf("\\u%04x\\u%04x", 0xd800 + (unsigned) (character >> 10),
			0xdc00 + (unsigned) (character & 0x3ff));
		return;
	}
	printf("\\u%04x", (unsigned) character);
}

/* What would steer a terminal is escaped, and reads the same for a parser. */
static void print_json(const char *start, const char *end) {
	const uint8_t *at = (const uint8_t *) start, *behind = (const uint8_t *) end;

	while (at < behind) {
		const uint8_t *first = at;
		uint32_t character;

		if (!json_text_utf8(&at, behind, &character))
			break;
		/* Control bytes stand between values only; others that hide stand in strings only.
		 */
		if (is_printable(character))
			fwrite(first, 1, (size_t) (at - first), stdout);
		else if (character >= 0x20)
			put_escaped(character);
	}
}

void print_document(const char *line, size_t size) {
	print_json(line, line + size);
	putchar('\n');
}

void print_ok_json(const char *line, size_t size) {
	const char *start = "", *end = start;

	if (!find_ok(line, size, &start, &end))
		end = start;
	start = skip_spaces(start, end);
	printf("{\"schema\":%d%s", SCHEMA, start < end ? "," : "");
	print_json(start, end);
	puts("}");
}

const char *print_duration(int64_t seconds, char buffer[PRINT_SHORT_SIZE]) {
	if (seconds < 60)
		snprintf(buffer, PRINT_SHORT_SIZE, "%" PRId64 " s", seconds);
	else if (seconds < 2 * 3600)
		snprintf(buffer, PRINT_SHORT_SIZE, "%" PRId64 " min", (seconds + 30) / 60);
	else
		snprintf(buffer, PRINT_SHORT_SIZE, "%" PRId64 " h", (seconds + 1800) / 3600);
	return buffer;
}

const char *print_bytes(int64_t bytes, char buffer[PRINT_SHORT_SIZE]) {
	static const char *const units[] = {"KiB", "MiB", "GiB"};
	double size = (double) bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(buffer, PRINT_SHORT_SIZE, "%" PRId64 " B", bytes);
		return buffer;
	}
	while (size >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		size /= 1024;
		unit++;
	}
	snprintf(buffer, PRINT_SHORT_SIZE, "%.1f %s", size, units[unit]);
	return buffer;
}

const char *print_day(int64_t unix_seconds, char buffer[PRINT_SHORT_SIZE]) {
	time_t when = (time_t) unix_seconds;
	struct tm day;

	if (!localtime_r(&when, &day) || strftime(buffer, PRINT_SHORT_SIZE, "%Y-%m-%d", &day) == 0)
		snprintf(buffer, PRINT_SHORT_SIZE, "an unknown day");
	return buffer;
}

const char *print_time(int64_t unix_seconds, char buffer[PRINT_SHORT_SIZE]) {
	time_t when = (time_t) unix_seconds;
	struct tm time;

	if (!localtime_r(&when, &time) ||
		strftime(buffer, PRINT_SHORT_SIZE, "%Y-%m-%d %H:%M:%S", &time) == 0)
		snprintf(buffer, PRINT_SHORT_SIZE, "an unknown time");
	return buffer;
}

#define MINUTE 60
#define DAY (24 * 60 * MINUTE)

/* The bounds are the agent's (agent/rule/expiry.h), and a day is what `--expires` calls one. */
enum print_style print_expiry(int64_t expires, char buffer[PRINT_EXPIRY_SIZE]) {
	int64_t left = expires - (int64_t) time(NULL), days = left / DAY;
	time_t when = (time_t) expires;
	char text[PRINT_SHORT_SIZE];
	struct tm day;

	if (!gmtime_r(&when, &day) || strftime(text, sizeof(text), "%Y-%m-%d", &day) == 0)
		snprintf(text, sizeof(text), "an unknown day");
	if (left < MINUTE) {
		snprintf(buffer, PRINT_EXPIRY_SIZE, "%s, over; make a new one", text);
		return PRINT_BAD;
	}
	if (left > (int64_t) 14 * DAY) {
		snprintf(buffer, PRINT_EXPIRY_SIZE, "%s, in %" PRId64 " days", text, days);
		return PRINT_PLAIN;
	}
	if (days > 0)
		snprintf(buffer, PRINT_EXPIRY_SIZE, "%s, in %" PRId64 " day%s; make a new one soon",
			text, days, days == 1 ? "" : "s");
	else
		snprintf(buffer, PRINT_EXPIRY_SIZE, "%s, in less than a day; make a new one now",
			text);
	return PRINT_WARN;
}
