#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	const char *path = json_string(json_member(ok, "path"));
	int64_t level = verb_number(ok, "level", 0);
	bool in_keyring = strcmp(verb_text(ok, "store"), "keyring") == 0;

	if (path)
		print_line("Made a store: %s, in '%s'.", verb_text(ok, "store"), path);
	else if (in_keyring)
		print_line("Made a store: keyring. It holds what is stored sealed.");
	else
		print_line("Made a store: %s.", verb_text(ok, "store"));
	if (level == 1)
		print_row(&command->print, "level", PRINT_WARN,
			"1 (no passphrase: any program of yours can read these while the keyring "
			"is unlocked)");
	else if (level > 1)
		print_row(&command->print, "level", PRINT_GOOD,
			"%d (sealed with a passphrase, which is asked for before a token leaves)",
			(int) level);
}

static bool store_is_known(const char *store) {
	return strcmp(store, "auto") == 0 || strcmp(store, "keyring") == 0 ||
	       strcmp(store, "vault") == 0;
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_INIT);

	if (!request)
		return verb_fail(command, -ENOMEM);
	if (command->with_secret && command->no_passphrase)
		return print_usage(&command->print,
			"--with-passphrase and --no-passphrase exclude each other");
	if (command->store && !store_is_known(command->store))
		return print_usage(&command->print, "--store takes auto, keyring or vault");
	if (!verb_set(command, &request->store, command->store))
		return EXIT_FAILED;
	request->no_passphrase = command->no_passphrase;
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, false);
}

static const struct verb_option options[] = {
	{"store", 0, OPTION_TEXT, offsetof(struct command, store)},
	{"with-passphrase", 0, OPTION_FLAG, offsetof(struct command, with_secret)},
	{"no-passphrase", 0, OPTION_FLAG, offsetof(struct command, no_passphrase)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_init = {
	.name = "init",
	.summary = "Make the store for tokens",
	.help = "Usage: cpub-agent init [--store auto|vault|keyring]\n"
		"                       [--with-passphrase | --no-passphrase]\n"
		"\n"
		"Makes the store for tokens, once, and asks for a new passphrase. The choice of "
		"the\n"
		"store is recorded and never changed silently.\n"
		"\n"
		"  --store auto        The keyring where one can be reached, else the vault (the "
		"default)\n"
		"  --store keyring     Sealed items in the desktop's keyring (Secret Service)\n"
		"  --store vault       A sealed file of cpub-agent's own\n"
		"  --with-passphrase   The first line of standard input is the passphrase\n"
		"  --no-passphrase     None: what opens the store lies in the keyring, too, and any\n"
		"                      program of yours can read it while the keyring is unlocked\n",
	.options = options,
	.run = run,
};
