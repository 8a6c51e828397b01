/* Ends a token at its registry. What is said here is what the registry said, never more. */

#include <errno.h>
#include <string.h>

#include "destination.h"
#include "key_text.h"
#include "outcome.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show_kept(const struct json *ok) {
	_cleanup_(freep) char *logout = key_text_account_command(ok, "logout", true);

	if (verb_flag(ok, "erased"))
		print_below("the token", "it is removed from the store, as you asked");
	else
		print_below("the token", "it stays in the store; `%s` removes it",
			logout ? logout : "cpub-agent logout");
}

static void complain(const struct command *command, const struct json *ok, const char *message) {
	const char *detail = json_string(json_member(ok, "detail"));
	const char *url = json_string(json_member(ok, "url"));
	struct print print = command->print;

	/* The answer tells it as JSON. */
	print.is_json = false;
	print_error(&print, verb_text(ok, "code"), message, detail);
	if (url)
		print_below("revoke it here", "%s", url);
	else
		print_below("revoke it", "on the registry's own pages, if it has some for that");
	show_kept(ok);
}

/* Why not, in the words of the refusal: it was said by the registry, or before it was asked. */
static enum exit_code complain_not_revoked(const struct command *command, const struct json *ok) {
	const char *code = json_string(json_member(ok, "code"));
	enum refusal refusal = code ? refusal_from_name(code) : _REFUSAL_INVALID;
	_cleanup_(freep) char *message = NULL;

	const char *why = refusal == REFUSAL_TOKEN_SCOPE ? "this token may not revoke itself"
			  : refusal == _REFUSAL_INVALID	 ? "the registry did not do it"
							 : refusal_sentence(refusal);
	if (asprintf(&message, "NOT revoked: %s", why) < 0)
		message = NULL;
	complain(command, ok, message ? message : "NOT revoked");
	return outcome_exit_code(code, EXIT_REGISTRY);
}

/* The registry has done it, and the store has not. */
static void complain_kept(const struct command *command, const struct json *ok) {
	const char *message = json_string(json_member(ok, "message"));
	_cleanup_(freep) char *logout = key_text_account_command(ok, "logout", true);
	_cleanup_(freep) char *sentence = NULL;
	struct print print = command->print;

	print.is_json = false;
	if (asprintf(&sentence, "it could not be removed from the store; `%s` does that",
		    logout ? logout : "cpub-agent logout") < 0)
		sentence = NULL;
	print_error(&print, verb_text(ok, "code"),
		sentence ? sentence : "it could not be removed from the store", message);
}

/* It is over at the registry: what is left is its record here. */
static enum exit_code show_over(
	const struct command *command, const struct json *ok, bool is_dead) {
	const char *account = verb_text(ok, "account");
	const char *where = verb_index_name(verb_text(ok, "index"));
	bool is_erased = verb_flag(ok, "erased");

	if (!command->print.is_json && !command->print.is_quiet) {
		if (is_dead)
			print_line("The token of account '%s' was dead already: %s does not know it.",
				account, where);
		else
			print_line("Revoked at %s: the token of account '%s'.", where, account);
		if (is_erased)
			print_line("Removed from the store%s.",
				verb_flag(ok, "reader-erased")
					? ", and with it the token for reads, which stays valid"
					: "");
	}
	if (!is_erased)
		complain_kept(command, ok);
	return is_erased ? EXIT_DONE : EXIT_PARTLY;
}

static enum exit_code judge(const struct command *command, const struct json *ok) {
	const char *outcome = verb_text(ok, "outcome");

	if (strcmp(outcome, "revoked") == 0)
		return show_over(command, ok, false);
	if (strcmp(outcome, "dead") == 0)
		return show_over(command, ok, true);
	if (strcmp(outcome, "not-revoked") == 0)
		return complain_not_revoked(command, ok);
	complain(command, ok,
		"NOT KNOWN whether it is revoked: the registry's answer was lost or makes no sense");
	return EXIT_NETWORK;
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_REVOKE);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code != EXIT_DONE)
		return code;
	if (command->use && strcmp(command->use, "read") != 0)
		return print_usage(&command->print, "--for takes the word read");
	request->for_read = command->use;
	request->forget = command->forget;
	return destination_run(command, request, judge);
}

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"for", 0, OPTION_TEXT, offsetof(struct command, use)},
	{"forget", 0, OPTION_FLAG, offsetof(struct command, forget)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_revoke = {
	.name = "revoke",
	.summary = "Revoke a token at its registry, and remove it",
	.help = "Usage: cpub-agent revoke [--registry NAME | --index URL] [--account NAME]\n"
		"                         [--for read] [--forget]\n"
		"\n"
		"Asks the registry to revoke the token, and removes it from the store once that said\n"
		"that it is revoked, or that it does not know it. Else the token stays, and you are\n"
		"told what the registry answered and where to revoke it by hand: crates.io lets no\n"
		"token with scopes revoke itself.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: the one\n"
		"                      that is cargo's default, else crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Which of its accounts (the default: default)\n"
		"  --for read          Only its token for reads\n"
		"  --forget            Remove it from the store whatever the registry answers; without\n"
		"                      an answer it stays\n",
	.options = options,
	.run = run,
};
