#pragma once

/* The tokens that the agent has found in cargo's files, and what became of each. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/refusal.h"

struct command;
struct credentials_file;
struct json;
struct json_writer;

enum import_result {
	IMPORT_FOUND, /* nothing was tried */
	IMPORT_STORED,
	IMPORT_REPLACED,
	IMPORT_UNCHANGED, /* the very same was stored before */
	IMPORT_SKIPPED,
	IMPORT_REFUSED,
};

struct import_token {
	const struct credentials_file *file; /* borrowed */
	char *key;
	char *name;
	bool is_asymmetric;
	int64_t line;
	size_t start, end;
	bool is_simple;

	enum import_result result;
	char *index_url; /* NULL where the registry is not known */
	/* Why it is not stored. */
	enum exit_code code;
	char *code_name;
	char *why;
	/* It is not in the file any more. */
	bool is_wiped;
};

struct import_list {
	struct import_token *tokens;
	size_t n_tokens;
};

/*
 * Appends what an answer to `import` tells of that file. 0, -EBADMSG if it makes
 * no sense, -ENOMEM.
 */
int import_list_add(
	struct import_list *list, const struct credentials_file *file, const struct json *ok);
void import_list_done(struct import_list *list);

/* It is in the store now. */
bool import_token_is_stored(const struct import_token *token);
/* Says why it is not. `code_name` is a refusal's. 0 or -ENOMEM. */
int import_token_fail(struct import_token *token, enum import_result result,
	enum exit_code code, const char *code_name, const char *why);

/* One row on what became of it. */
void import_token_show(const struct command *command, const struct import_token *token);
/* The list as an array. */
void import_list_write(struct json_writer *writer, const struct import_list *list);
