#include "import_login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"
#include "network.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "registry.h"
#include "verb.h"

static int resolve(
	const struct import_login *login, struct import_token *token, struct registry *ret) {
	int r = login->source->resolve(login->config, token, ret);

	if (r == 0) {
		token->index_url = strdup(ret->index_url);
		if (!token->index_url)
			return -ENOMEM;
	}
	return r;
}

/* How the registry is reached: as resolve. */
static int take_network(
	struct import_login *login, struct import_token *token, struct request *request) {
	_cleanup_(network_done) struct network network = {0};
	_cleanup_(freep) char *error = NULL;
	int r = network_read(login->config, request->index_url, &network, &error);

	if (r == -EINVAL) {
		r = import_token_fail(token, IMPORT_SKIPPED, EXIT_USAGE, "configuration",
			error ? error : "the network cannot be set up");
		return r < 0 ? r : -ENOENT;
	}
	if (r < 0)
		return r;
	if (network.ignored && !login->has_noted)
		print_note(&login->command->print,
			"ignoring %s: a project does not choose how a token travels",
			network.ignored);
	login->has_noted = login->has_noted || network.ignored;
	network_give(&network, request);
	return 0;
}

/* By their URLs: two names can lead to one registry, and there to one account. */
static bool is_same_registry(const struct import_token *one, const struct import_token *other) {
	_cleanup_(freep) char *url = NULL;
	_cleanup_(freep) char *other_url = NULL;

	if (!one->index_url || !other->index_url)
		return one->name && other->name && strcmp(one->name, other->name) == 0;
	return registry_url_canonical(one->index_url, &url) == 0 &&
	       registry_url_canonical(other->index_url, &other_url) == 0 &&
	       strcmp(url, other_url) == 0;
}

/*
 * A token of this registry was stored a moment ago: this one, which may not be what
 * cargo uses, must not take its place, for both may be wiped then.
 */
static bool has_better(const struct import_login *login, const struct import_token *token) {
	for (const struct import_token *t = login->list->tokens; t < token; t++) {
		if (import_token_is_stored(t) && is_same_registry(t, token))
			return true;
	}
	return false;
}

static int fill(struct import_login *login, struct import_token *token, struct request *request,
	int *ret_fd) {
	_cleanup_(registry_done) struct registry registry = {0};
	const struct command *command = login->command;
	int r = resolve(login, token, &registry);

	if (r < 0)
		return r;
	request->index_url = TAKE_PTR(registry.index_url);
	request->registry_name = TAKE_PTR(registry.name);
	request->url_source = registry.source;
	request->url_file = TAKE_PTR(registry.file);
	request->allow_http = command->allow_http;
	request->no_check = command->no_check;
	request->replace = command->replace && !has_better(login, token);
	request->account = command->account ? strdup(command->account) : NULL;
	if (command->account && !request->account)
		return -ENOMEM;
	r = import_place_give(&token->place, request, ret_fd);
	return r < 0 ? r : take_network(login, token, request);
}

/* Without the store, the keyring, or somebody who opens them, no other token can be stored either. */
static bool is_hopeless(enum refusal refusal) {
	return refusal == REFUSAL_NO_STORE || refusal == REFUSAL_LOCKED ||
	       refusal == REFUSAL_NEEDS_TERMINAL || refusal == REFUSAL_PROMPT_TIMEOUT ||
	       refusal == REFUSAL_KEYRING_UNREACHABLE || refusal == REFUSAL_KEYRING_TIMEOUT ||
	       (refusal != _REFUSAL_INVALID && refusal_exit_code(refusal) == EXIT_STORE);
}

static int take_answer(
	struct import_login *login, struct import_token *token, const struct reply *reply) {
	const char *code = json_string(json_member(json_member(reply->json, "Err"), "code"));
	_cleanup_(freep) char *why = NULL;

	if (reply->ok) {
		token->result = verb_flag(reply->ok, "unchanged")  ? IMPORT_UNCHANGED
				: verb_flag(reply->ok, "replaced") ? IMPORT_REPLACED
								   : IMPORT_STORED;
		return 0;
	}
	login->is_hopeless = is_hopeless(reply->refusal);
	if (asprintf(&why, "%s%s%s%s", reply->message, reply->detail ? " (" : "",
		    reply->detail ? reply->detail : "", reply->detail ? ")" : "") < 0) {
		why = NULL;
		return -ENOMEM;
	}
	return import_token_fail(token, IMPORT_REFUSED,
		reply->refusal == _REFUSAL_INVALID ? EXIT_FAILED
						   : refusal_exit_code(reply->refusal),
		reply->refusal == _REFUSAL_INVALID ? (code ? code : "unknown")
						   : refusal_name(reply->refusal),
		has_better(login, token) && reply->refusal == REFUSAL_ACCOUNT_EXISTS
			? "another token of that registry was imported before it"
			: why);
}

static enum exit_code store(struct import_login *login, struct import_token *token) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LOGIN);
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	enum exit_code code;
	int fd = -1;
	int r = request ? fill(login, token, request, &fd) : -ENOMEM;

	if (r == -ENOENT)
		return EXIT_DONE;
	if (r < 0)
		return verb_fail(login->command, r);
	code = verb_ask(login->command, request, VERB_LENDS_TERMINAL, fd, &answer);
	if (code != EXIT_DONE)
		return code;
	r = take_answer(login, token, answer.reply);
	return r < 0 ? verb_fail(login->command, r) : EXIT_DONE;
}

enum exit_code import_login_try(struct import_login *login, struct import_token *token) {
	_cleanup_(registry_done) struct registry registry = {0};
	int r = 0;

	if (login->command->dry_run)
		r = resolve(login, token, &registry);
	else if (login->is_hopeless)
		r = import_token_fail(token, IMPORT_SKIPPED, EXIT_NEEDS, "skipped",
			"not tried after that");
	else
		return store(login, token);
	return r < 0 && r != -ENOENT ? verb_fail(login->command, r) : EXIT_DONE;
}
