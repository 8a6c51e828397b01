#pragma once

/* The tokens that cargo has somewhere, where each is, and what became of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/refusal.h"

struct command;
struct credentials_file;
struct json_writer;
struct request;

/* Where a token is: enough for the agent to take it there. */
struct import_place {
	const struct credentials_file *file; /* borrowed; NULL: in the keyring */
	/* `registries.corp.token`; in the keyring cargo's URL of the index. */
	char *key;
	/* In a file: the line, and its bytes. */
	int64_t line;
	size_t start, end;
	/* It can be taken out. */
	bool is_simple;
};

enum import_result {
	IMPORT_FOUND, /* nothing was tried */
	IMPORT_STORED,
	IMPORT_REPLACED,
	IMPORT_UNCHANGED, /* the very same was stored before */
	IMPORT_SKIPPED,
	IMPORT_REFUSED,
};

struct import_token {
	struct import_place place;
	char *name; /* the registry's; NULL where no configuration of yours has one */
	bool is_asymmetric;

	enum import_result result;
	char *index_url; /* NULL where the registry is not known */
	/* Why it is not stored. */
	enum exit_code code;
	char *code_name;
	char *why;
	/* It is not there any more. */
	bool is_wiped;
	/* The name of the refusal for which it is there still; NULL for none. */
	const char *wipe_code;
};

struct import_list {
	struct import_token *tokens;
	size_t n_tokens;
};

/* Room for `n` more, cleared; *ret is the first of them. 0 or -ENOMEM. */
int import_list_grow(struct import_list *list, size_t n, struct import_token **ret);
void import_list_done(struct import_list *list);

/* It is in the store now. */
bool import_token_is_stored(const struct import_token *token);
/* Says why it is not. `code_name` is a refusal's. 0 or -ENOMEM. */
int import_token_fail(struct import_token *token, enum import_result result,
	enum exit_code code, const char *code_name, const char *why);

/* What people see of it: the file's path. */
const char *import_place_name(const struct import_place *place);
/* Tells the agent where the token is; what *ret_fd has goes along, -1 for nothing. 0 or -ENOMEM. */
int import_place_give(const struct import_place *place, struct request *request, int *ret_fd);

/* One row on what became of it. */
void import_token_show(const struct command *command, const struct import_token *token);
/* The list as an array. */
void import_list_write(struct json_writer *writer, const struct import_list *list);
