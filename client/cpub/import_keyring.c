/*
 * Import from the desktop's keyring, where cargo's own provider cargo:libsecret
 * keeps tokens. cargo puts each under the URL of its index, so that where it
 * belongs needs no configuration; that only gives it a name.
 */

#include "import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/toml.h"
#include "registry.h"
#include "verb.h"

/* Shown at login, as a file would be. */
#define SOURCE_NAME "keyring, where cargo has put it"

static int read_token(const struct json *json, struct import_token *token) {
	const char *url = json_string(json_member(json, "url"));
	int64_t n;
	int r = 0;

	if (!url || json_get_integer(json, "items", &n) < 0)
		return -EBADMSG;
	token->place.key = strdup(url);
	token->place.is_simple = true;
	if (!token->place.key)
		return -ENOMEM;
	if (verb_flag(json, "odd"))
		r = import_token_fail(token, IMPORT_SKIPPED, EXIT_USAGE,
			refusal_name(REFUSAL_BAD_URL), refusal_sentence(REFUSAL_BAD_URL));
	else if (n != 1)
		r = import_token_fail(token, IMPORT_SKIPPED,
			refusal_exit_code(REFUSAL_TOKEN_AMBIGUOUS),
			refusal_name(REFUSAL_TOKEN_AMBIGUOUS),
			refusal_sentence(REFUSAL_TOKEN_AMBIGUOUS));
	return r;
}

static int read_list(struct import *import, const struct json *ok) {
	const struct json *found = json_member(ok, "tokens");
	struct import_token *token;
	int r;

	if (!json_is_array(found))
		return -EBADMSG;
	r = import_list_grow(&import->list, json_n_elements(found), &token);
	for (const struct json *one = json_first(found); r == 0 && one; one = json_next(one))
		r = read_token(one, token++);
	if (r == 0 && verb_flag(ok, "more"))
		r = import_complain(import,
			strdup("the keyring holds more tokens of cargo's than can be listed at "
			       "once; give the rest to `cpub-agent login` one by one"));
	return r;
}

static enum exit_code find(struct import *import) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_IMPORT);
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	struct command *command = import->command;
	enum exit_code code;
	int r;

	if (!request)
		return verb_fail(command, -ENOMEM);
	request->from_keyring = true;
	/* So that the keyring may ask, too: the agent lets it only where a person is. */
	code = verb_ask(command, request, VERB_LENDS_TERMINAL, -1, &answer);
	if (code != EXIT_DONE)
		return code;
	if (!answer.reply->ok)
		return verb_show(command, &answer, NULL, false);
	r = read_list(import, answer.reply->ok);
	if (r == -EBADMSG)
		return print_refusal(&command->print, REFUSAL_AGENT_UNREACHABLE,
			"the agent's answer makes no sense", NULL);
	return r < 0 ? verb_fail(command, r) : EXIT_DONE;
}

static bool is_same_url(const char *one, const char *other) {
	_cleanup_(freep) char *a = NULL;
	_cleanup_(freep) char *b = NULL;

	return registry_url_canonical(one, &a) == 0 && registry_url_canonical(other, &b) == 0 &&
	       strcmp(a, b) == 0;
}

/* What the user's own configuration calls it. 0, and *ret (caller frees) may stay NULL; -ENOMEM. */
static int find_name(const struct cargo_config *config, const char *url, char **ret) {
	for (size_t i = 0; i < config->n_files; i++) {
		_cleanup_(toml_strings_freep) char **names = NULL;

		if (config->files[i].source != URL_SOURCE_USER ||
			toml_get_keys(config->files[i].document, "registries", &names) < 0)
			continue;
		for (size_t j = 0; names[j]; j++) {
			_cleanup_(registry_done) struct registry registry = {0};
			_cleanup_(freep) char *error = NULL;
			int r = registry_resolve_own(names[j], config, &registry, &error);

			if (r == -ENOMEM)
				return r;
			if (r < 0 || !is_same_url(registry.index_url, url))
				continue;
			*ret = strdup(names[j]);
			return *ret ? 0 : -ENOMEM;
		}
	}
	return 0;
}

static int resolve(
	const struct cargo_config *config, struct import_token *token, struct registry *ret) {
	_cleanup_(registry_done) struct registry registry = {.source = URL_SOURCE_USER};
	const char *url = token->place.key;
	int r = 0;

	if (token->result != IMPORT_FOUND) /* It was said when it was found. */
		return -ENOENT;
	if (is_same_url(url, CRATES_IO_INDEX))
		token->name = strdup(CRATES_IO_NAME);
	else
		r = find_name(config, url, &token->name);
	registry.index_url = strdup(url);
	registry.file = strdup(SOURCE_NAME);
	registry.name = token->name ? strdup(token->name) : NULL;
	if (r < 0 || !registry.index_url || !registry.file || (token->name && !registry.name))
		return -ENOMEM;
	*ret = registry;
	registry = (struct registry){0};
	return 0;
}

/* Says why it is there still. 0 or -ENOMEM. */
static int complain(
	struct import *import, struct import_token *token, const struct reply *reply) {
	char *problem;

	token->wipe_code = reply->refusal == _REFUSAL_INVALID ? "unknown"
							      : refusal_name(reply->refusal);
	if (asprintf(&problem, "the token of %s is in the keyring still: %s%s%s%s",
		    token->place.key, reply->message, reply->detail ? " (" : "",
		    reply->detail ? reply->detail : "", reply->detail ? ")" : "") < 0)
		problem = NULL;
	return import_complain(import, problem);
}

static enum exit_code wipe_one(struct import *import, struct import_token *token) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_IMPORT);
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	struct command *command = import->command;
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	if (!verb_set(command, &request->account, command->account) ||
		!verb_set(command, &request->wipe, token->place.key))
		return EXIT_FAILED;
	request->from_keyring = true;
	code = verb_ask(command, request, VERB_LENDS_TERMINAL, -1, &answer);
	if (code != EXIT_DONE)
		return code;
	token->is_wiped = answer.reply->ok != NULL;
	if (!token->is_wiped && complain(import, token, answer.reply) < 0)
		return verb_fail(command, -ENOMEM);
	return EXIT_DONE;
}

static enum exit_code wipe(struct import *import) {
	enum exit_code code = EXIT_DONE;

	for (size_t i = 0; code == EXIT_DONE && i < import->list.n_tokens; i++) {
		if (import_token_is_stored(&import->list.tokens[i]))
			code = wipe_one(import, &import->list.tokens[i]);
	}
	return code;
}

static void show_wiped(const struct import *import) {
	size_t n_wiped = 0;

	for (size_t i = 0; i < import->list.n_tokens; i++)
		n_wiped += import->list.tokens[i].is_wiped;
	if (n_wiped > 0)
		print_line("Removed %zu token%s from the keyring.", n_wiped,
			n_wiped == 1 ? "" : "s");
}

static void show_empty(const struct import *import) {
	(void) import;
	print_line("There is no token of cargo's in the keyring.");
}

const struct import_source import_keyring = {
	.name = "keyring",
	.find = find,
	.resolve = resolve,
	.wipe = wipe,
	.show_wiped = show_wiped,
	.show_empty = show_empty,
};
