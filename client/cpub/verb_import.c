/*
 * Import: hands the files in which cargo keeps tokens to the agent, which lists
 * what is in them and stores each token by a login of its own. Neither the list
 * nor what follows brings a token in here; --wipe moves bytes by their places.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "cargo_credentials.h"
#include "import_list.h"
#include "import_login.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "verb.h"
#include "wipe.h"

struct import {
	struct command *command;
	struct cargo_config *config;
	struct cargo_credentials credentials;
	struct import_list list;
	/* What went wrong with the wiping of each file; NULL if nothing did. */
	char *problems[CREDENTIALS_FILES_MAX];
};

static void import_done(struct import *import) {
	import_list_done(&import->list);
	cargo_credentials_done(&import->credentials);
	cargo_config_free(import->config);
	for (size_t i = 0; i < CREDENTIALS_FILES_MAX; i++)
		free(import->problems[i]);
}

/* Text for people comes while it happens, JSON at the end. */
static bool import_speaks(const struct import *import) {
	return !import->command->print.is_json && !import->command->print.is_quiet;
}

static enum exit_code import_open(struct import *import) {
	const struct command *command = import->command;
	_cleanup_(freep) char *error = NULL;
	int r = cargo_config_load(&import->config, &error);

	if (r == 0 && !import->config->home)
		return print_usage(&command->print,
			"neither CARGO_HOME nor HOME says where cargo keeps its files");
	if (r == 0)
		r = cargo_credentials_open(import->config->home, &import->credentials, &error);
	return r < 0 ? verb_fail_configuration(command, r, error) : EXIT_DONE;
}

/* The list of one file, which the agent makes. */
static enum exit_code import_list_file(
	struct import *import, const struct credentials_file *file) {
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
	r = import_list_add(&import->list, file, answer.reply->ok);
	if (r == -EBADMSG)
		return print_refusal(&command->print, REFUSAL_AGENT_UNREACHABLE,
			"the agent's answer makes no sense", NULL);
	return r < 0 ? verb_fail(command, r) : EXIT_DONE;
}

static enum exit_code import_all(struct import *import) {
	struct import_login login = {
		.command = import->command, .config = import->config, .list = &import->list};
	const struct credentials_file *file = NULL;

	for (size_t i = 0; i < import->list.n_tokens; i++) {
		struct import_token *token = &import->list.tokens[i];
		enum exit_code code = import_login_try(&login, token);

		if (code != EXIT_DONE)
			return code;
		if (!import_speaks(import))
			continue;
		if (token->file != file)
			print_line("%s", token->file->path);
		file = token->file;
		import_token_show(import->command, token);
	}
	return EXIT_DONE;
}

static int compare_ranges(const void *one, const void *other) {
	size_t a = ((const struct wipe_range *) one)->start;
	size_t b = ((const struct wipe_range *) other)->start;

	return (a > b) - (a < b);
}

/* The ranges of the tokens of that file that are stored and can be taken out. */
static size_t import_collect(const struct import *import, const struct credentials_file *file,
	struct wipe_range *ranges) {
	size_t n = 0;

	for (size_t i = 0; i < import->list.n_tokens; i++) {
		const struct import_token *token = &import->list.tokens[i];

		if (token->file == file && token->is_simple && import_token_is_stored(token))
			ranges[n++] = (struct wipe_range){token->start, token->end};
	}
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	return n;
}

static void import_set_wiped(struct import *import, const struct credentials_file *file) {
	for (size_t i = 0; i < import->list.n_tokens; i++) {
		struct import_token *token = &import->list.tokens[i];

		if (token->file == file && token->is_simple && import_token_is_stored(token))
			token->is_wiped = true;
	}
}

/* 0 or -ENOMEM; a file that could not be wiped has its problem. */
static int import_wipe_file(struct import *import, size_t index) {
	const struct credentials_file *file = &import->credentials.files[index];
	_cleanup_(freep) struct wipe_range *ranges =
		calloc(import->list.n_tokens, sizeof(*ranges));
	size_t n;
	int r;

	if (!ranges)
		return -ENOMEM;
	n = import_collect(import, file, ranges);
	if (n == 0)
		return 0;
	r = wipe_ranges(file->path, &file->status, ranges, n, &import->problems[index]);
	if (r >= 0)
		import_set_wiped(import, file);
	return r == -ENOMEM ? r : 0;
}

/* Where the line is now that others above it have gone. */
static long long line_now(const struct import_list *list, const struct import_token *token) {
	long long line = token->line;

	for (size_t i = 0; i < list->n_tokens; i++) {
		const struct import_token *other = &list->tokens[i];

		if (other->file == token->file && other->is_wiped && other->line < token->line)
			line--;
	}
	return line;
}

/* What the wiping came to. Tokens that are not stored stay, and were told before. */
static void import_show_wiped(const struct import *import) {
	size_t n_wiped = 0;

	for (size_t i = 0; i < import->credentials.n_files; i++) {
		if (import->problems[i])
			print_note(&import->command->print, "%s", import->problems[i]);
	}
	for (size_t i = 0; i < import->list.n_tokens; i++) {
		const struct import_token *token = &import->list.tokens[i];

		n_wiped += token->is_wiped;
		if (import_token_is_stored(token) && !token->is_wiped)
			print_line("Delete by hand: %s:%lld %s", token->file->path,
				line_now(&import->list, token), token->key);
	}
	if (n_wiped > 0)
		print_line("Removed %zu token%s and overwrote what held %s. SSDs, snapshots and "
			   "backups may keep a copy: if in doubt, revoke the old token at the "
			   "registry.",
			n_wiped, n_wiped == 1 ? "" : "s", n_wiped == 1 ? "it" : "them");
}

static enum exit_code import_wipe(struct import *import) {
	for (size_t i = 0; i < import->credentials.n_files; i++) {
		int r = import_wipe_file(import, i);

		if (r < 0)
			return verb_fail(import->command, r);
	}
	if (import_speaks(import))
		import_show_wiped(import);
	return EXIT_DONE;
}

/* That they lie open still is worth a word where nobody asked to change it. */
static void import_show_rest(const struct import *import) {
	size_t n = 0;

	for (size_t i = 0; i < import->list.n_tokens; i++)
		n += import_token_is_stored(&import->list.tokens[i]);
	if (n > 0)
		print_line("Every program of yours can still read %s there; `--wipe` removes %s.",
			n == 1 ? "it" : "them", n == 1 ? "it" : "them");
}

static enum exit_code import_write_json(const struct import *import) {
	_cleanup_(json_writer_done) struct json_writer writer;
	int r;

	json_writer_init(&writer, false);
	reply_ok_begin(&writer, KIND_IMPORT);
	import_list_write(&writer, &import->list);
	json_write_array(&writer, "problems");
	for (size_t i = 0; i < import->credentials.n_files; i++) {
		if (import->problems[i])
			json_write_string(&writer, NULL,
				print_is_utf8(import->problems[i]) ? import->problems[i] : NULL);
	}
	json_write_array_end(&writer);
	reply_ok_end(&writer);
	r = json_writer_finish(&writer);
	if (r < 0)
		return verb_fail(import->command, r);
	print_ok_json(json_writer_bytes(&writer), writer.size);
	return EXIT_DONE;
}

/* All of it, a part, or why not the first. */
static enum exit_code import_exit_code(const struct import *import) {
	size_t n_good = 0, n_stored = 0;
	enum exit_code code = EXIT_DONE;

	for (size_t i = 0; i < import->list.n_tokens; i++) {
		const struct import_token *token = &import->list.tokens[i];
		bool is_stored = import_token_is_stored(token);

		n_stored += is_stored;
		n_good += is_stored && (token->is_wiped || !import->command->wipe);
		if (!is_stored && code == EXIT_DONE)
			code = token->code;
	}
	for (size_t i = 0; i < import->credentials.n_files; i++) {
		if (import->problems[i])
			return EXIT_PARTLY;
	}
	if (import->command->dry_run || n_good == import->list.n_tokens)
		return EXIT_DONE;
	return n_stored > 0 ? EXIT_PARTLY : code;
}

static enum exit_code import_run(struct import *import) {
	enum exit_code code = import_open(import);

	for (size_t i = 0; code == EXIT_DONE && i < import->credentials.n_files; i++)
		code = import_list_file(import, &import->credentials.files[i]);
	if (code == EXIT_DONE && import->list.n_tokens == 0 && import_speaks(import))
		print_line(
			"There is no token in '%s/credentials.toml', nor in 'credentials' there.",
			import->config->home);
	if (code == EXIT_DONE)
		code = import_all(import);
	if (code == EXIT_DONE && import->command->wipe)
		code = import_wipe(import);
	else if (code == EXIT_DONE && import_speaks(import))
		import_show_rest(import);
	if (code == EXIT_DONE && import->command->print.is_json)
		code = import_write_json(import);
	return code == EXIT_DONE ? import_exit_code(import) : code;
}

static enum exit_code run(struct command *command) {
	_cleanup_(import_done) struct import import = {.command = command};
	enum exit_code code = verb_check_registry(command);

	if (code != EXIT_DONE)
		return code;
	if (!command->from || strcmp(command->from, "cargo") != 0)
		return print_usage(&command->print, "say where from: `--from cargo`");
	if (command->wipe && command->dry_run)
		return print_usage(&command->print, "--wipe and --dry-run exclude each other");
	return import_run(&import);
}

static const struct verb_option options[] = {
	{"from", 0, true, offsetof(struct command, from)},
	{"account", 0, true, offsetof(struct command, account)},
	{"wipe", 0, false, offsetof(struct command, wipe)},
	{"dry-run", 0, false, offsetof(struct command, dry_run)},
	{"replace", 0, false, offsetof(struct command, replace)},
	{"no-check", 0, false, offsetof(struct command, no_check)},
	{"allow-http", 0, false, offsetof(struct command, allow_http)},
	{NULL, 0, false, 0},
};

const struct verb verb_import = {
	.name = "import",
	.summary = "Store the tokens of cargo's own files",
	.help = "Usage: cpub-agent import --from cargo [--wipe | --dry-run] [--account NAME]\n"
		"                         [--replace] [--no-check] [--allow-http]\n"
		"\n"
		"Stores each token of $CARGO_HOME/credentials.toml (and `credentials`, as it was "
		"called\n"
		"before) as `login` would. The agent reads the file, not this program.\n"
		"\n"
		"  --from cargo        Where the tokens are\n"
		"  --wipe              Take out of the file what is stored then, and overwrite it\n"
		"  --dry-run           Only tell what there is\n"
		"  --account NAME      Store under this name (the default: default)\n"
		"  --replace           Put them in the place of tokens that are stored already\n"
		"  --no-check          Ask neither the index nor the registry\n"
		"  --allow-http        Let a token go over plain http, on this machine only\n"
		"\n"
		"A registry's URL is looked up in your own cargo configuration. A token whose "
		"registry\n"
		"only a project or the environment names is left: log in with --index for it.\n",
	.options = options,
	.run = run,
};
