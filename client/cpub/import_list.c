#include "import_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_credentials.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "verb.h"

static const char *const result_names[] = {
	[IMPORT_FOUND] = "found",
	[IMPORT_STORED] = "stored",
	[IMPORT_REPLACED] = "replaced",
	[IMPORT_UNCHANGED] = "unchanged",
	[IMPORT_SKIPPED] = "skipped",
	[IMPORT_REFUSED] = "refused",
};

int import_list_grow(struct import_list *list, size_t n, struct import_token **ret) {
	struct import_token *tokens =
		reallocarray(list->tokens, list->n_tokens + n + 1, sizeof(*tokens));

	if (!tokens)
		return -ENOMEM;
	list->tokens = tokens;
	*ret = tokens + list->n_tokens;
	memset(*ret, 0, n * sizeof(*tokens));
	list->n_tokens += n;
	return 0;
}

static void token_done(struct import_token *token) {
	free(token->place.key);
	free(token->name);
	free(token->index_url);
	free(token->code_name);
	free(token->why);
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

const char *import_place_name(const struct import_place *place) {
	return place->file ? place->file->path : "keyring";
}

int import_place_give(const struct import_place *place, struct request *request, int *ret_fd) {
	char *key = strdup(place->key);

	if (!key)
		return -ENOMEM;
	if (place->file)
		request->secret_in_file = key;
	else
		request->secret_in_keyring = key;
	*ret_fd = place->file ? place->file->fd : -1;
	return 0;
}

static void show_found(
	const struct print *print, const char *label, const struct import_token *token) {
	const struct import_place *place = &token->place;
	const char *where = token->index_url ? verb_index_name(token->index_url) : token->why;

	if (place->file)
		print_row(print, label, PRINT_PLAIN, "line %lld, %s%s", (long long) place->line,
			where, place->is_simple ? "" : "; `--wipe` could not remove it");
	else
		print_row(print, label, PRINT_PLAIN, "%s", where);
}

void import_token_show(const struct command *command, const struct import_token *token) {
	const char *account = command->account ? command->account : ACCOUNT_DEFAULT;
	const char *label = token->name ? token->name : token->place.key;
	const struct print *print = &command->print;

	switch (token->result) {
	case IMPORT_FOUND:
		show_found(print, label, token);
		break;
	case IMPORT_STORED:
		print_row(print, label, PRINT_GOOD, "stored as account '%s'", account);
		break;
	case IMPORT_REPLACED:
		print_row(print, label, PRINT_WARN,
			"replaced the token of account '%s', which stays valid until it is "
			"revoked at the registry",
			account);
		break;
	case IMPORT_UNCHANGED:
		print_row(print, label, PRINT_GOOD,
			"was stored already as account '%s'", account);
		break;
	case IMPORT_SKIPPED:
		print_row(print, label, PRINT_WARN, "skipped: %s", token->why);
		break;
	case IMPORT_REFUSED:
		print_row(print, label, PRINT_BAD, "not stored: %s", token->why);
		break;
	}
}

static void write_utf8(struct json_writer *writer, const char *name, const char *text) {
	json_write_string(writer, name, text && print_is_utf8(text) ? text : NULL);
}

static void write_token(struct json_writer *writer, const struct import_token *token) {
	const struct import_place *place = &token->place;

	json_write_object(writer, NULL);
	write_utf8(writer, "file", place->file ? place->file->path : NULL);
	json_write_string(writer, "key", place->key);
	json_write_string(writer, "name", token->name);
	if (place->file)
		json_write_integer(writer, "line", place->line);
	else
		json_write_string(writer, "line", NULL);
	json_write_string(writer, "index", token->index_url);
	json_write_string(writer, "result", result_names[token->result]);
	json_write_string(writer, "code", token->code_name);
	write_utf8(writer, "message", token->why);
	json_write_bool(writer, "removable", place->is_simple);
	json_write_bool(writer, "wiped", token->is_wiped);
	json_write_string(writer, "wipe-code", token->wipe_code);
	json_write_object_end(writer);
}

void import_list_write(struct json_writer *writer, const struct import_list *list) {
	json_write_array(writer, "tokens");
	for (size_t i = 0; i < list->n_tokens; i++)
		write_token(writer, &list->tokens[i]);
	json_write_array_end(writer);
}
