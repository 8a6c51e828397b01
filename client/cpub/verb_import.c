/*
 * Import: the agent lists what cargo keeps somewhere and stores each token by a
 * login of its own. Neither the list nor what follows brings a token in here.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "import.h"
#include "import_login.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "verb.h"

static const struct import_source *const sources[] = {&import_files, &import_keyring};

static void import_done(struct import *import) {
	import_list_done(&import->list);
	cargo_credentials_done(&import->credentials);
	cargo_config_free(import->config);
	for (size_t i = 0; i < import->n_problems; i++)
		free(import->problems[i]);
	free(import->problems);
}

bool import_speaks(const struct import *import) {
	return !import->command->print.is_json && !import->command->print.is_quiet;
}

int import_complain(struct import *import, char *problem) {
	char **problems = problem ? reallocarray(import->problems, import->n_problems + 1,
					    sizeof(*problems))
				  : NULL;

	if (!problems) {
		free(problem);
		return -ENOMEM;
	}
	problems[import->n_problems++] = problem;
	import->problems = problems;
	return 0;
}

static enum exit_code import_all(struct import *import) {
	struct import_login login = {.command = import->command,
		.source = import->source,
		.config = import->config,
		.list = &import->list};
	const char *place = NULL;

	for (size_t i = 0; i < import->list.n_tokens; i++) {
		struct import_token *token = &import->list.tokens[i];
		const char *name = import_place_name(&token->place);
		enum exit_code code = import_login_try(&login, token);

		if (code != EXIT_DONE)
			return code;
		if (!import_speaks(import))
			continue;
		if (!place || strcmp(place, name) != 0)
			print_line("%s", name);
		place = name;
		import_token_show(import->command, token);
	}
	return EXIT_DONE;
}

/* That they lie open still is worth a word where nobody asked to change it. */
static void show_rest(const struct import *import) {
	size_t n = 0;

	for (size_t i = 0; i < import->list.n_tokens; i++)
		n += import_token_is_stored(&import->list.tokens[i]);
	if (n > 0)
		print_line("Every program of yours can still read %s there; `--wipe` removes %s.",
			n == 1 ? "it" : "them", n == 1 ? "it" : "them");
}

static void show_end(const struct import *import) {
	for (size_t i = 0; i < import->n_problems; i++)
		print_note(&import->command->print, "%s", import->problems[i]);
	if (import->list.n_tokens == 0)
		import->source->show_empty(import);
	else if (import->command->wipe)
		import->source->show_wiped(import);
	else
		show_rest(import);
}

static enum exit_code import_write_json(const struct import *import) {
	_cleanup_(json_writer_done) struct json_writer writer;
	int r;

	json_writer_init(&writer, false);
	reply_ok_begin(&writer, KIND_IMPORT);
	import_list_write(&writer, &import->list);
	json_write_array(&writer, "problems");
	for (size_t i = 0; i < import->n_problems; i++)
		json_write_string(&writer, NULL,
			print_is_utf8(import->problems[i]) ? import->problems[i] : NULL);
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
	if (import->n_problems > 0)
		return EXIT_PARTLY;
	if (import->command->dry_run || n_good == import->list.n_tokens)
		return EXIT_DONE;
	return n_stored > 0 ? EXIT_PARTLY : code;
}

static enum exit_code import_run(struct import *import) {
	const struct command *command = import->command;
	_cleanup_(freep) char *error = NULL;
	enum exit_code code;
	int r = cargo_config_load(&import->config, &error);

	if (r < 0)
		return verb_fail_configuration(command, r, error);
	code = import->source->find(import);
	if (code == EXIT_DONE)
		code = import_all(import);
	if (code == EXIT_DONE && command->wipe)
		code = import->source->wipe(import);
	if (code != EXIT_DONE)
		return code;
	if (import_speaks(import))
		show_end(import);
	if (command->print.is_json)
		code = import_write_json(import);
	return code == EXIT_DONE ? import_exit_code(import) : code;
}

static enum exit_code run(struct command *command) {
	_cleanup_(import_done) struct import import = {.command = command};
	enum exit_code code = verb_check_registry(command);

	if (code != EXIT_DONE)
		return code;
	for (size_t i = 0; command->from && i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (strcmp(command->from, sources[i]->name) == 0)
			import.source = sources[i];
	}
	if (!import.source)
		return print_usage(
			&command->print, "say where from: `--from cargo` or `--from keyring`");
	if (command->wipe && command->dry_run)
		return print_usage(&command->print, "--wipe and --dry-run exclude each other");
	return import_run(&import);
}

static const struct verb_option options[] = {
	{"from", 0, OPTION_TEXT, offsetof(struct command, from)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"wipe", 0, OPTION_FLAG, offsetof(struct command, wipe)},
	{"dry-run", 0, OPTION_FLAG, offsetof(struct command, dry_run)},
	{"replace", 0, OPTION_FLAG, offsetof(struct command, replace)},
	{"no-check", 0, OPTION_FLAG, offsetof(struct command, no_check)},
	{"allow-http", 0, OPTION_FLAG, offsetof(struct command, allow_http)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_import = {
	.name = "import",
	.summary = "Store the tokens that cargo keeps",
	.help = "Usage: cpub-agent import --from cargo|keyring [--wipe | --dry-run]\n"
		"                         [--account NAME] [--replace] [--no-check] [--allow-http]\n"
		"\n"
		"Stores each token of $CARGO_HOME/credentials.toml (and `credentials`, as it was "
		"called\n"
		"before), or of cargo's own provider for the keyring (cargo:libsecret), as `login`\n"
		"would. The agent reads it there, not this program.\n"
		"\n"
		"  --from cargo        From cargo's files\n"
		"  --from keyring      From the desktop's keyring\n"
		"  --wipe              Take out what is stored then: overwrite the file, remove the\n"
		"                      keyring's item\n"
		"  --dry-run           Only tell what there is\n"
		"  --account NAME      Store under this name (the default: default)\n"
		"  --replace           Put them in the place of tokens that are stored already\n"
		"  --no-check          Ask neither the index nor the registry\n"
		"  --allow-http        Let a token go over plain http, on this machine only\n"
		"\n"
		"In files a registry has a name; its URL is looked up in your own cargo "
		"configuration.\n"
		"A token whose registry only a project or the environment names is left: log in "
		"with\n"
		"--index for it. In the keyring cargo keeps each token under its URL. A key that "
		"signs\n"
		"(secret-key) is left: `login --asymmetric --with-token` takes one.\n",
	.options = options,
	.run = run,
};
