#pragma once

/*
 * Which bytes of a TOML text are one entry, whole and alone, so that the text
 * without them is the same but for that entry.
 */

#include <stdbool.h>
#include <stddef.h>

struct token_line {
	/* The line of the value with its line end, in bytes from the start of the text. */
	size_t start, end;
	/* The entry is exactly these bytes. */
	bool is_simple;
};

/* What the parser knows of the entry. */
struct token_entry {
	const char *key;    /* its last word, such as "token" */
	const char *value;  /* as parsed */
	unsigned line;	    /* where the value begins, from 1 */
	const char *header; /* "[registry]"; NULL for an entry before any header */
	unsigned header_line;
};

/*
 * Finds the line. Simple is `key = "value"` or `key = 'value'` with nothing but
 * white space and a comment around, in a table that begins with its header.
 * Everything else (inline tables, dotted keys, strings over several lines,
 * escapes) is not. False if the text has no such line.
 */
bool token_line_find(const char *text, size_t size, const struct token_entry *entry,
	struct token_line *ret);
