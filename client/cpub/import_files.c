/* Import from the files in which cargo keeps tokens; --wipe moves bytes by their places. */

#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "key_found.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/toml.h"
#include "registry.h"
#include "veil.h"
#include "verb.h"
#include "wipe.h"

static int read_size(const struct json *json, const char *name, size_t *ret) {
	int64_t number;

	if (json_get_integer(json, name, &number) < 0 || number < 0)
		return -EBADMSG;
	*ret = (size_t) number;
	return 0;
}

static int read_token(const struct json *json, struct import_token *token) {
	const char *key = json_string(json_member(json, "key"));
	const char *name = json_string(json_member(json, "name"));
	const char *type = json_string(json_member(json, "type"));
	struct import_place *place = &token->place;

	if (!key || !name || !type || json_get_integer(json, "line", &place->line) < 0 ||
		read_size(json, "start", &place->start) < 0 ||
		read_size(json, "end", &place->end) < 0 ||
		json_get_bool(json, "simple", &place->is_simple) < 0)
		return -EBADMSG;
	token->is_asymmetric = strcmp(type, "bearer") != 0;
	place->key = strdup(key);
	token->name = strdup(name);
	return place->key && token->name ? 0 : -ENOMEM;
}

static int read_list(
	struct import_list *list, const struct credentials_file *file, const struct json *ok) {
	const struct json *found = json_member(ok, "tokens");
	struct import_token *token;
	int r;

	if (!json_is_array(found))
		return -EBADMSG;
	r = import_list_grow(list, json_n_elements(found), &token);
	for (const struct json *one = json_first(found); r == 0 && one; one = json_next(one)) {
		token->place.file = file;
		token->code = EXIT_FAILED;
		r = read_token(one, token++);
	}
	return r;
}

/* The list of one file, which the agent makes. */
static enum exit_code list_file(struct import *import, const struct credentials_file *file) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_IMPORT);
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	_cleanup_(freep) char *detail = NULL;
	struct command *command = import->command;
	enum exit_code code;
	int r;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_ask(command, request, VERB_LENDS_NOTHING, file->fd, &answer);
	if (code != EXIT_DONE)
		return code;
	if (!answer.reply->ok) {
		if (asprintf(&detail, "%s%s%s", file->path, answer.reply->detail ? ": " : "",
			    answer.reply->detail ? answer.reply->detail : "") < 0)
			detail = NULL;
		return print_refusal(
			&command->print, answer.reply->refusal, answer.reply->message, detail);
	}
	r = read_list(&import->list, file, answer.reply->ok);
	if (r == -EBADMSG)
		return print_refusal(&command->print, REFUSAL_AGENT_UNREACHABLE,
			"the agent's answer makes no sense", NULL);
	return r < 0 ? verb_fail(command, r) : EXIT_DONE;
}

static enum exit_code find(struct import *import) {
	const struct command *command = import->command;
	_cleanup_(freep) char *error = NULL;
	enum exit_code code = EXIT_DONE;
	int r;

	if (!import->config->home)
		return print_usage(&command->print,
			"neither CARGO_HOME nor HOME says where cargo keeps its files");
	r = cargo_credentials_open(import->config->home, &import->credentials, &error);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	for (size_t i = 0; code == EXIT_DONE && i < import->credentials.n_files; i++)
		code = list_file(import, &import->credentials.files[i]);
	return code;
}

/* Only the user's own files decide where a token belongs: -ENOENT, and the token says why. */
static int explain_name(const struct cargo_config *config, struct import_token *token) {
	_cleanup_(registry_done) struct registry registry = {0};
	_cleanup_(freep) char *error = NULL;
	_cleanup_(freep) char *why = NULL;
	int r = registry_resolve(token->name, NULL, config, &registry, &error);

	if (r == -ENOMEM)
		return r;
	if (r == 0 && asprintf(&why,
			      "only '%s' names it, which is not your own configuration; "
			      "log in with `cpub-agent login --index %s`",
			      registry.file, registry.index_url) < 0) {
		why = NULL;
		return -ENOMEM;
	}
	r = r == 0 ? import_token_fail(token, IMPORT_SKIPPED, EXIT_DENIED,
			     refusal_name(REFUSAL_NAME_UNTRUSTED), why)
		   : import_token_fail(token, IMPORT_SKIPPED, EXIT_USAGE, "configuration",
			     error ? error : "no registry has that name");
	return r < 0 ? r : -ENOENT;
}

/* Read without the keys in it: the agent tells where they are, not what stands beside them. */
static struct toml_document *read_beside(const struct import_place *place) {
	_cleanup_(veiled_done) struct veiled text = {0};
	_cleanup_(freep) char *error = NULL;
	struct toml_document *document;

	if (veil_read(place->file->path, TOML_MAX, &text) < 0 ||
		toml_parse(text.text, text.size, &document, &error) < 0)
		return NULL;
	return document;
}

/* A key that was read may be used by others for ever, so it is not taken over by itself. */
static int explain_key(struct import_token *token) {
	_cleanup_(toml_freep) struct toml_document *document = read_beside(&token->place);
	_cleanup_(freep) char *advice = NULL, *why = NULL;
	int r = key_found_advise(document, token->place.key, token->name, &advice);

	if (r < 0)
		return r;
	if (asprintf(&why, "a key that signs is not imported; %s", advice) < 0) {
		why = NULL;
		return -ENOMEM;
	}
	r = import_token_fail(token, IMPORT_SKIPPED, EXIT_FAILED, "asymmetric", why);
	return r < 0 ? r : -ENOENT;
}

static int resolve(
	const struct cargo_config *config, struct import_token *token, struct registry *ret) {
	_cleanup_(freep) char *error = NULL;
	int r;

	if (token->is_asymmetric)
		return explain_key(token);
	r = registry_resolve_own(token->name, config, ret, &error);
	if (r == -ENOENT)
		return explain_name(config, token);
	if (r == -EINVAL) {
		r = import_token_fail(token, IMPORT_SKIPPED, EXIT_USAGE, "configuration",
			error ? error : "no registry has that name");
		return r < 0 ? r : -ENOENT;
	}
	return r;
}

static int compare_ranges(const void *one, const void *other) {
	size_t a = ((const struct wipe_range *) one)->start;
	size_t b = ((const struct wipe_range *) other)->start;

	return (a > b) - (a < b);
}

/* In that file, stored, and can be taken out. */
static bool is_to_wipe(const struct import_token *token, const struct credentials_file *file) {
	return token->place.file == file && token->place.is_simple &&
	       import_token_is_stored(token);
}

static size_t collect_ranges(const struct import *import, const struct credentials_file *file,
	struct wipe_range *ranges) {
	size_t n = 0;

	for (size_t i = 0; i < import->list.n_tokens; i++) {
		const struct import_token *token = &import->list.tokens[i];

		if (is_to_wipe(token, file))
			ranges[n++] =
				(struct wipe_range){token->place.start, token->place.end};
	}
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	return n;
}

static void set_wiped(struct import *import, const struct credentials_file *file) {
	for (size_t i = 0; i < import->list.n_tokens; i++) {
		struct import_token *token = &import->list.tokens[i];

		token->is_wiped = token->is_wiped || is_to_wipe(token, file);
	}
}

/* 0 or -ENOMEM; a file that could not be wiped is a problem. */
static int wipe_file(struct import *import, const struct credentials_file *file) {
	_cleanup_(freep) struct wipe_range *ranges =
		calloc(import->list.n_tokens, sizeof(*ranges));
	char *problem = NULL;
	size_t n;
	int r;

	if (!ranges)
		return -ENOMEM;
	n = collect_ranges(import, file, ranges);
	if (n == 0)
		return 0;
	r = wipe_ranges(file->path, &file->status, ranges, n, &problem);
	if (r >= 0)
		set_wiped(import, file);
	if (problem && import_complain(import, problem) < 0)
		return -ENOMEM;
	return r == -ENOMEM ? r : 0;
}

static enum exit_code wipe(struct import *import) {
	for (size_t i = 0; i < import->credentials.n_files; i++) {
		int r = wipe_file(import, &import->credentials.files[i]);

		if (r < 0)
			return verb_fail(import->command, r);
	}
	return EXIT_DONE;
}

/* Where the line is now that others above it have gone. */
static long long line_now(const struct import_list *list, const struct import_place *place) {
	long long line = place->line;

	for (size_t i = 0; i < list->n_tokens; i++) {
		const struct import_token *other = &list->tokens[i];

		if (other->place.file == place->file && other->is_wiped &&
			other->place.line < place->line)
			line--;
	}
	return line;
}

/* Tokens that are not stored stay, and were told before. */
static void show_wiped(const struct import *import) {
	size_t n_wiped = 0;

	for (size_t i = 0; i < import->list.n_tokens; i++) {
		const struct import_token *token = &import->list.tokens[i];

		n_wiped += token->is_wiped;
		if (import_token_is_stored(token) && !token->is_wiped)
			print_line("Delete by hand: %s:%lld %s", token->place.file->path,
				line_now(&import->list, &token->place), token->place.key);
	}
	if (n_wiped > 0)
		print_line("Removed %zu token%s and overwrote what held %s. SSDs, snapshots and "
			   "backups may keep a copy: if in doubt, revoke the old token at the "
			   "registry.",
			n_wiped, n_wiped == 1 ? "" : "s", n_wiped == 1 ? "it" : "them");
}

static void show_empty(const struct import *import) {
	print_line("There is no token in '%s/credentials.toml', nor in 'credentials' there.",
		import->config->home);
}

const struct import_source import_files = {
	.name = "cargo",
	.find = find,
	.resolve = resolve,
	.wipe = wipe,
	.show_wiped = show_wiped,
	.show_empty = show_empty,
};
