/* Shows and changes the key of an account that signs. Only the public half is ever seen here. */

#include <errno.h>
#include <string.h>

#include "destination.h"
#include "key_text.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

/* "account 'work' at crates.io (for reads alone)" */
static char *account_words(const struct json *ok) {
	bool is_for_read = strcmp(verb_text(ok, "for"), "read") == 0;
	char *words;

	return asprintf(&words, "account '%s' at %s%s", verb_text(ok, "account"),
		       verb_index_name(verb_text(ok, "index")),
		       is_for_read ? " (for reads alone)" : "") < 0
		       ? NULL
		       : words;
}

static void advise_finish(const struct command *command) {
	_cleanup_(freep) char *finish =
		key_text_command(command, "key rotate --finish", command->use);

	print_line("Register it, then: %s", finish ? finish : "cpub-agent key rotate --finish");
}

static void show_key(const struct command *command, const struct json *ok) {
	_cleanup_(freep) char *account = account_words(ok);

	print_line("The key of %s:", account ? account : "the account");
	key_text_show(ok, "public", "pid");
	key_text_show_claims(&command->print, ok);
	if (!json_string(json_member(ok, "next-public")))
		return;
	print_line("The next key, which signs nothing yet:");
	key_text_show(ok, "next-public", "next-pid");
	advise_finish(command);
}

static void show_rotated(const struct command *command, const struct json *ok) {
	_cleanup_(freep) char *account = account_words(ok);

	print_line(verb_flag(ok, "changed") ? "Made the next key of %s:"
					    : "There is a next key of %s already:",
		account ? account : "the account");
	key_text_show(ok, "next-public", "next-pid");
	print_line("The old key goes on signing.");
	advise_finish(command);
}

static void show_finished(const struct command *command, const struct json *ok) {
	_cleanup_(freep) char *account = account_words(ok);

	(void) command;
	print_line("The new key signs now for %s:", account ? account : "the account");
	key_text_show(ok, "public", "pid");
	print_line("The old one is erased here. Remove it at the registry, too.");
}

static void show_cancelled(const struct command *command, const struct json *ok) {
	_cleanup_(freep) char *account = account_words(ok);

	(void) command;
	print_line("Forgot the next key of %s. The key that signs:",
		account ? account : "the account");
	key_text_show(ok, "public", "pid");
	print_line("If you registered the next one, remove it at the registry.");
}

static enum exit_code take_change(const struct command *command, struct request *request) {
	bool is_rotate = command->object && strcmp(command->object, "rotate") == 0;

	if (!command->object)
		return print_usage(&command->print,
			"what of the key? `cpub-agent key show` or `cpub-agent key rotate`");
	if (!is_rotate && (command->finish || command->cancel))
		return print_usage(
			&command->print, "--finish and --cancel go with `key rotate` only");
	if (command->finish && command->cancel)
		return print_usage(&command->print, "--finish and --cancel exclude each other");
	if (command->use && strcmp(command->use, "read") != 0)
		return print_usage(&command->print, "--for takes the word read");
	request->for_read = command->use;
	if (command->finish)
		request->key_change = KEY_FINISH;
	else if (command->cancel)
		request->key_change = KEY_CANCEL;
	else
		request->key_change = is_rotate ? KEY_ROTATE : KEY_SHOW;
	return EXIT_DONE;
}

static enum exit_code ask(struct command *command, struct request *request) {
	switch (request->key_change) {
	case KEY_ROTATE:
		return verb_run(command, request, VERB_LENDS_TERMINAL, show_rotated, false);
	case KEY_FINISH:
		return verb_run(command, request, VERB_LENDS_TERMINAL, show_finished, false);
	case KEY_CANCEL:
		return verb_run(command, request, VERB_LENDS_TERMINAL, show_cancelled, false);
	case KEY_SET:
	case KEY_SHOW:
	case _KEY_CHANGE_MAX:
	case _KEY_CHANGE_INVALID:
		break;
	}
	return verb_run(command, request, VERB_LENDS_TERMINAL, show_key, true);
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_KEY);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code == EXIT_DONE)
		code = take_change(command, request);
	if (code != EXIT_DONE)
		return code;
	if (!verb_set(command, &request->account, command->account))
		return EXIT_FAILED;
	code = destination_registry(command, request);
	return code == EXIT_DONE ? ask(command, request) : code;
}

static const char *const objects[] = {"show", "rotate", NULL};

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"for", 0, OPTION_TEXT, offsetof(struct command, use)},
	{"finish", 0, OPTION_FLAG, offsetof(struct command, finish)},
	{"cancel", 0, OPTION_FLAG, offsetof(struct command, cancel)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_key = {
	.name = "key",
	.summary = "Show or change the key of an account that signs",
	.help = "Usage: cpub-agent key show | rotate [--finish | --cancel]\n"
		"                      [--registry NAME | --index URL] [--account NAME]\n"
		"                      [--for read]\n"
		"\n"
		"`key show` prints the public key of an account that signs its requests, its id, and\n"
		"the next key, if there is one. `key rotate` makes a next key beside it; register\n"
		"that at the registry, and `key rotate --finish` puts it in the place of the old one.\n"
		"Until then the old one goes on signing. No private key is ever shown.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Which of its accounts (the default: default)\n"
		"  --for read          The key that signs for reads alone\n"
		"  --finish            The next key takes over, and the old one is erased; asks for\n"
		"                      the passphrase\n"
		"  --cancel            Forget the next key\n",
	.objects = objects,
	.options = options,
	.run = run,
};
