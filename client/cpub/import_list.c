#include "import_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_credentials.h"
#include "protocol/json.h"
#include "verb.h"

static const char *const result_names[] = {
	[IMPORT_FOUND] = "found",
	[IMPORT_STORED] = "stored",
	[IMPORT_REPLACED] = "replaced",
	[IMPORT_UNCHANGED] = "unchanged",
	[IMPORT_SKIPPED] = "skipped",
	[IMPORT_REFUSED] = "refused",
};

static void token_done(struct import_token *token) {
	free(token->key);
	free(token->name);
	free(token->index_url);
	free(token->code_name);
	free(token->why);
}

static int read_size(const struct json *json, const char *name, size_t *ret) {
	int64_t number;

	if (json_get_integer(json, name, &number) < 0 || number < 0)
		return -EBADMSG;
	*ret = (size_t) number;
	return 0;
}

static int token_read(
	const struct credentials_file *file, const struct json *json, struct import_token *ret) {
	const char *key = json_string(json_member(json, "key"));
	const char *name = json_string(json_member(json, "name"));
	const char *type = json_string(json_member(json, "type"));
	struct import_token token = {.file = file, .code = EXIT_FAILED};

	if (!key || !name || !type || json_get_integer(json, "line", &token.line) < 0 ||
		read_size(json, "start", &token.start) < 0 ||
		read_size(json, "end", &token.end) < 0 ||
		json_get_bool(json, "simple", &token.is_simple) < 0)
		return -EBADMSG;
	token.is_asymmetric = strcmp(type, "bearer") != 0;
	token.key = strdup(key);
	token.name = strdup(name);
	if (!token.key || !token.name) {
		token_done(&token);
		return -ENOMEM;
	}
	*ret = token;
	return 0;
}

int import_list_add(
	struct import_list *list, const struct credentials_file *file, const struct json *ok) {
	const struct json *found = json_member(ok, "tokens");
	struct import_token *tokens;

	if (!json_is_array(found))
		return -EBADMSG;
	tokens = reallocarray(
		list->tokens, list->n_tokens + json_n_elements(found) + 1, sizeof(*tokens));
	if (!tokens)
		return -ENOMEM;
	list->tokens = tokens;
	for (const struct json *one = json_first(found); one; one = json_next(one)) {
		int r = token_read(file, one, &list->tokens[list->n_tokens]);

		if (r < 0)
			return r;
		list->n_tokens++;
	}
	return 0;
}

void import_list_done(struct import_list *list) {
	for (size_t i = 0; i < list->n_tokens; i++)
		token_done(&list->tokens[i]);
	free(list->tokens);
	*list = (struct import_list){0};
}

bool import_token_is_stored(const struct import_token *token) {
	return token->result == IMPORT_STORED || token->result == IMPORT_REPLACED ||
	       token->result == IMPORT_UNCHANGED;
}

int import_token_fail(struct import_token *token, enum import_result result,
	enum exit_code code, const char *code_name, const char *why) {
	token->result = result;
	token->code = code;
	free(token->code_name);
	free(token->why);
	token->code_name = strdup(code_name);
	token->why = strdup(why);
	return token->code_name && token->why ? 0 : -ENOMEM;
}

void import_token_show(const struct command *command, const struct import_token *token) {
	const char *account = command->account ? command->account : "default";
	const struct print *print = &command->print;

	switch (token->result) {
	case IMPORT_FOUND:
		print_row(print, token->name, PRINT_PLAIN, "line %lld, %s%s",
			(long long) token->line,
			token->index_url ? verb_index_name(token->index_url) : token->why,
			token->is_simple ? "" : "; `--wipe` could not remove it");
		break;
	case IMPORT_STORED:
		print_row(print, token->name, PRINT_GOOD, "stored as account '%s'", account);
		break;
	case IMPORT_REPLACED:
		print_row(print, token->name, PRINT_WARN,
			"replaced the token of account '%s', which stays valid until it is "
			"revoked at the registry",
			account);
		break;
	case IMPORT_UNCHANGED:
		print_row(print, token->name, PRINT_GOOD,
			"was stored already as account '%s'", account);
		break;
	case IMPORT_SKIPPED:
		print_row(print, token->name, PRINT_WARN, "skipped: %s", token->why);
		break;
	case IMPORT_REFUSED:
		print_row(print, token->name, PRINT_BAD, "not stored: %s", token->why);
		break;
	}
}

static void write_token(struct json_writer *writer, const struct import_token *token) {
	const char *path = token->file->path;

	json_write_object(writer, NULL);
	json_write_string(writer, "file", print_is_utf8(path) ? path : NULL);
	json_write_string(writer, "key", token->key);
	json_write_string(writer, "name", token->name);
	json_write_integer(writer, "line", token->line);
	json_write_string(writer, "index", token->index_url);
	json_write_string(writer, "result", result_names[token->result]);
	json_write_string(writer, "code", token->code_name);
	json_write_string(writer, "message",
		token->why && print_is_utf8(token->why) ? token->why : NULL);
	json_write_bool(writer, "removable", token->is_simple);
	json_write_bool(writer, "wiped", token->is_wiped);
	json_write_object_end(writer);
}

void import_list_write(struct json_writer *writer, const struct import_list *list) {
	json_write_array(writer, "tokens");
	for (size_t i = 0; i < list->n_tokens; i++)
		write_token(writer, &list->tokens[i]);
	json_write_array_end(writer);
}
