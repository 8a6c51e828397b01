#pragma once

/* Texts out of a stranger's file, made fit to be shown: a few lines, each clean and short. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"

/* Longest line, and how many are kept. */
#define LINE_MAX_SIZE ((size_t) 240)
#define LINES_MAX 32

struct lines {
	char *text; /* lines with a newline between them; NULL without any */
	size_t size;
	size_t n; /* of all that were added, also beyond LINES_MAX */
};

void lines_done(struct lines *lines);

/* One line from a format: control bytes and anything beyond ASCII become `?`. Caller frees. */
int line_format(char **ret, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

/* Adds such a line; past LINES_MAX it is only counted. 0 or -ENOMEM. */
int lines_add(struct lines *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));
