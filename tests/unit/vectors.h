#pragma once

/*
 * Reads vector files: one case a line, `#` and empty lines aside. The first TAB
 * ends the input, and what follows it is what the test expects. `\xNN`, in
 * lower case, is one byte in both parts; all others, other backslashes too,
 * stand for themselves.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/cleanup.h"

struct vector {
	char *input;
	size_t size;
	/* NULL without a TAB. */
	char *expected;
};

/* tests/vectors: the first argument, or $CPUB_VECTORS. */
static const char *vectors_folder;

static inline bool vectors_init(int argc, char **argv) {
	vectors_folder = argc > 1 ? argv[1] : getenv("CPUB_VECTORS");
	if (!vectors_folder)
		fprintf(stderr, "usage: %s tests/vectors (or set CPUB_VECTORS)\n", argv[0]);
	return vectors_folder;
}

/* Decodes in place and ends the text with a NUL. Returns its size. */
static inline size_t vector_decode(char *text) {
	char *to = text;

	for (const char *at = text; *at;) {
		if (strncmp(at, "\\x", 2) == 0 && strspn(at + 2, "0123456789abcdef") >= 2) {
			char digits[3] = {at[2], at[3], '\0'};

			*to++ = (char) strtoul(digits, NULL, 16);
			at += strlen("\\x00");
		} else {
			*to++ = *at++;
		}
	}
	*to = '\0';
	return (size_t) (to - text);
}

/*
 * Hands each case of FOLDER/name to `is_right`. Returns how many there were, or
 * -1, with each case told, if any was wrong or the file could not be read.
 */
static inline int vectors_check(const char *name, bool (*is_right)(const struct vector *)) {
	_cleanup_(file_closep) FILE *file = NULL;
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0;
	int n_cases = 0, n_wrong = 0;

	if (asprintf(&path, "%s/%s", vectors_folder, name) < 0)
		return -1;
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		return -1;
	}
	for (int number = 1; getline(&line, &capacity, file) > 0; number++) {
		struct vector vector = {.input = line};
		char *tab;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		tab = strchr(line, '\t');
		if (tab) {
			*tab = '\0';
			vector.expected = tab + 1;
			(void) vector_decode(vector.expected); /* Texts only, without NUL. */
		}
		vector.size = vector_decode(line);
		n_cases++;
		if (is_right(&vector))
			continue;
		fprintf(stderr, "%s:%d: wrong\n", path, number);
		n_wrong++;
	}
	return n_wrong > 0 ? -1 : n_cases;
}
