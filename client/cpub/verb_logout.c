#include <errno.h>
#include <string.h>

#include "destination.h"
#include "key_text.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

/* What the registry still takes, since it was told nothing. */
static void show_left(size_t n_tokens, size_t n_keys) {
	if (n_tokens == 1)
		print_line("The token itself stays valid at the registry until it is revoked there.");
	else if (n_tokens > 1)
		print_line("The tokens themselves stay valid at their registries until they are "
			   "revoked there.");
	if (n_keys == 1)
		print_line("The key is erased. Remove its public half at the registry, too.");
	else if (n_keys > 1)
		print_line("The keys are erased. Remove their public halves at the registries, too.");
}

static void show(const struct command *command, const struct json *ok) {
	const struct json *account = json_first(json_member(ok, "accounts"));
	size_t n_tokens = 0, n_keys = 0;

	(void) command;
	if (!account) {
		print_line("There was no such account.");
		return;
	}
	for (; account; account = json_next(account)) {
		const char *pid = json_string(json_member(account, "pid"));

		if (key_text_signs(account))
			n_keys++;
		else
			n_tokens++;
		print_line("Removed account '%s'%s of %s from the store%s%s.",
			verb_text(account, "account"),
			strcmp(verb_text(account, "for"), "read") == 0 ? " (for reads alone)" : "",
			verb_index_name(verb_text(account, "index")),
			pid ? ", with the key " : "", pid ? pid : "");
	}
	show_left(n_tokens, n_keys);
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
	.summary = "Remove a token or key from the store",
	.help = "Usage: cpub-agent logout [--registry NAME | --index URL]\n"
		"                         [--account NAME] [--for read] | --all\n"
		"\n"
		"Removes a token or key from the store, and only there: at the registry a token stays\n"
		"valid until it is revoked, and a public key until it is removed.\n"
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
