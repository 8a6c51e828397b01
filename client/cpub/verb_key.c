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

static void show_set(const struct command *command, const struct json *ok) {
	_cleanup_(freep) char *account = account_words(ok);

	print_line(verb_flag(ok, "changed") ? "Changed what the tokens of %s claim. The key stays:"
					    : "Nothing has changed for %s:",
		account ? account : "the account");
	key_text_show(ok, "public", "pid");
	key_text_show_claims(&command->print, ok);
}

static bool object_is(const struct command *command, const char *object) {
	return strcmp(command->object, object) == 0;
}

/* Which options go with which word. */
static enum exit_code check_words(const struct command *command) {
	bool has_claims = command->subject || command->no_subject || command->footer_key;

	if (!command->object)
		return print_usage(&command->print,
			"what of the key? `cpub-agent key show`, `cpub-agent key rotate` or "
			"`cpub-agent key set`");
	if (!object_is(command, "rotate") && (command->finish || command->cancel))
		return print_usage(
			&command->print, "--finish and --cancel go with `key rotate` only");
	if (command->finish && command->cancel)
		return print_usage(&command->print, "--finish and --cancel exclude each other");
	if (!object_is(command, "set") && has_claims)
		return print_usage(&command->print,
			"--subject, --no-subject and --footer-key go with `key set` only");
	if (object_is(command, "set") && !has_claims)
		return print_usage(&command->print,
			"`key set` takes --subject or --no-subject, and --footer-key: one at least");
	if (command->subject && command->no_subject)
		return print_usage(
			&command->print, "--subject and --no-subject exclude each other");
	if (command->use && strcmp(command->use, "read") != 0)
		return print_usage(&command->print, "--for takes the word read");
	return verb_check_claims(command);
}

static enum exit_code take_change(const struct command *command, struct request *request) {
	enum exit_code code = check_words(command);

	if (code != EXIT_DONE)
		return code;
	if (!verb_set(command, &request->subject, command->subject))
		return EXIT_FAILED;
	request->for_read = command->use;
	request->no_subject = command->no_subject;
	request->has_footer_key = command->footer_key;
	request->wants_kid = command->footer_key && strcmp(command->footer_key, "kid") == 0;
	if (command->finish)
		request->key_change = KEY_FINISH;
	else if (command->cancel)
		request->key_change = KEY_CANCEL;
	else if (object_is(command, "rotate"))
		request->key_change = KEY_ROTATE;
	else
		request->key_change = object_is(command, "set") ? KEY_SET : KEY_SHOW;
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
		return verb_run(command, request, VERB_LENDS_TERMINAL, show_set, false);
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

static const char *const objects[] = {"show", "rotate", "set", NULL};

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"for", 0, OPTION_TEXT, offsetof(struct command, use)},
	{"finish", 0, OPTION_FLAG, offsetof(struct command, finish)},
	{"cancel", 0, OPTION_FLAG, offsetof(struct command, cancel)},
	{"subject", 0, OPTION_TEXT, offsetof(struct command, subject)},
	{"no-subject", 0, OPTION_FLAG, offsetof(struct command, no_subject)},
	{"footer-key", 0, OPTION_TEXT, offsetof(struct command, footer_key)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_key = {
	.name = "key",
	.summary = "Show, rotate or set the key of an account that signs",
	.help = "Usage: cpub-agent key show | rotate [--finish | --cancel] |\n"
		"                      set [--subject S | --no-subject] [--footer-key kip|kid]\n"
		"                      [--registry NAME | --index URL] [--account NAME]\n"
		"                      [--for read]\n"
		"\n"
		"`key show` prints the public key of an account that signs its requests, its id, and\n"
		"the next key, if there is one. `key rotate` makes a next key beside it; register\n"
		"that at the registry, and `key rotate --finish` puts it in the place of the old one.\n"
		"Until then the old one goes on signing. `key set` keeps the key, and changes what\n"
		"its tokens claim, after the passphrase. No private key is ever shown.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Which of its accounts (the default: default)\n"
		"  --for read          The key that signs for reads alone\n"
		"  --finish            The next key takes over, and the old one is erased; asks for\n"
		"                      the passphrase\n"
		"  --cancel            Forget the next key\n"
		"  --subject S         What its tokens claim to come from, from now on\n"
		"  --no-subject        They claim no subject any more\n"
		"  --footer-key KEY    How they name the key: kip, as cargo does, or kid, as RFC 3231\n",
	.objects = objects,
	.options = options,
	.run = run,
};
