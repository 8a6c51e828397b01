#include <errno.h>
#include <string.h>

#include "destination.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	const struct json *accounts = json_member(ok, "accounts");
	const struct json *account = json_first(accounts);

	(void) command;
	if (!account) {
		print_line("There was no such account.");
		return;
	}
	for (; account; account = json_next(account))
		print_line("Removed account '%s'%s of %s from the store.",
			verb_text(account, "account"),
			strcmp(verb_text(account, "for"), "read") == 0 ? " (for reads alone)" : "",
			verb_index_name(verb_text(account, "index")));
	print_line(
		json_n_elements(accounts) == 1
			? "The token itself stays valid at the registry until it is revoked there."
			: "The tokens themselves stay valid at their registries until they are "
			  "revoked there.");
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LOGOUT);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code != EXIT_DONE)
		return code;
	if (!verb_set(command, &request->account, command->account))
		return EXIT_FAILED;
	if (command->use && strcmp(command->use, "read") != 0)
		return print_usage(&command->print, "--for takes the word read");
	if (command->all && command->use)
		return print_usage(&command->print, "--all and --for exclude each other");
	request->for_read = command->use;
	request->all = command->all;
	/* Without --registry and --index, --all means every registry. */
	if (!command->all || command->registry || command->index) {
		code = destination_registry(command, request);
		if (code != EXIT_DONE)
			return code;
	}
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, false);
}

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"for", 0, OPTION_TEXT, offsetof(struct command, use)},
	{"all", 0, OPTION_FLAG, offsetof(struct command, all)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_logout = {
	.name = "logout",
	.summary = "Remove a token from the store",
	.help = "Usage: cpub-agent logout [--registry NAME | --index URL]\n"
		"                         [--account NAME] [--for read] | --all\n"
		"\n"
		"Removes a token from the store, and only there: at the registry it stays valid "
		"until\n"
		"it is revoked.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: "
		"crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Which of its accounts (the default: default)\n"
		"  --for read          Only its token for reads, and keep the other\n"
		"  --all               All accounts: of the registry given, or of every registry\n",
	.options = options,
	.run = run,
};
