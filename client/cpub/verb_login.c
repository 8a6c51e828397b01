/*
 * Login: the client finds out which registry is meant and how it is reached,
 * as cargo would; the agent shows that, asks, and stores. A token goes from the
 * terminal or standard input to the agent, a key from standard input, never
 * through here.
 */

#include <errno.h>

#include <string.h>
#include <time.h>

#include "destination.h"
#include "key_text.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "verb.h"
#include "when.h"

/* What came of trying the token at the registry. */
static void show_check(const struct print *print, const struct json *ok) {
	const char *checked = verb_text(ok, "checked");
	const char *detail = json_string(json_member(ok, "check-detail"));
	const char *shape = json_string(json_member(ok, "shape"));

	if (strcmp(checked, "valid") == 0)
		print_row(print, "checked", PRINT_GOOD, "the registry accepts it");
	else if (strcmp(checked, "unknown") == 0)
		print_row(print, "checked", PRINT_WARN,
			"not known whether the registry accepts it: %s",
			detail ? detail : "it answered in words that are not known here");
	else if (strcmp(checked, "skipped") == 0)
		print_row(print, "checked", PRINT_WARN, "no, as you asked");
	if (shape)
		print_row(print, "warning", PRINT_WARN, "no token of crates.io looks like this: %s",
			shape);
}

static void show_token(const struct print *print, const struct json *ok) {
	if (verb_flag(ok, "unchanged"))
		print_row(print, "token", PRINT_GOOD, "the one that is stored already");
	else if (verb_flag(ok, "replaced"))
		print_row(print, "token", PRINT_WARN,
			"replaced the one that was there, which stays valid until it is revoked at "
			"the registry");
	else
		print_row(print, "token", PRINT_GOOD, "stored");
	if (verb_flag(ok, "readable"))
		print_row(print, "warning", PRINT_WARN,
			"any program of yours can read this one, build scripts too");
}

static bool is_for_read(const struct json *ok) {
	return strcmp(verb_text(ok, "for"), "read") == 0;
}

static const char *use_words(const struct json *ok) {
	return is_for_read(ok) ? ", for reads alone" : "";
}

static void show_origin(const struct print *print, const struct json *ok) {
	const char *api = json_string(json_member(ok, "api"));
	const char *dl = json_string(json_member(ok, "dl"));

	if (api)
		print_row(print, "api", PRINT_PLAIN, "%s", api);
	else if (!is_for_read(ok)) /* The agent sends nothing else with one for reads alone. */
		print_row(print, "api", PRINT_WARN,
			"unpinned: the agent sends no request of its own with this %s",
			key_text_signs(ok) ? "key" : "token");
	if (dl)
		print_row(print, "downloads", PRINT_PLAIN, "%s", dl);
}

/* What became of the one that was there, and who can have what. */
static void show_key(const struct print *print, const struct json *ok) {
	if (verb_flag(ok, "unchanged"))
		print_row(print, "key", PRINT_GOOD, "the one that is stored already");
	else if (verb_flag(ok, "replaced"))
		print_row(print, "key", PRINT_WARN,
			"took the place of what was there, which stays valid until it is removed "
			"at the registry");
	if (verb_flag(ok, "readable"))
		print_row(print, "warning", PRINT_WARN,
			"any program of yours can have a token signed for reads, build scripts "
			"too");
}

/* With one for reads alone nothing is left to do here: no API has to be pinned for it. */
static void show_unregistered(const struct command *command, const struct json *ok) {
	_cleanup_(freep) char *trust = key_text_command(command, "trust", NULL);

	if (is_for_read(ok))
		print_line("The registry does not know it yet. It signs for reads as it is, once it does.");
	else
		print_line("The registry does not know it yet. When it does: %s",
			trust ? trust : "cpub-agent trust");
}

/* The registry has to be told the public key, unless it took a token of it just now. */
static void show_signing(const struct command *command, const struct json *ok) {
	const struct print *print = &command->print;
	const char *checked = verb_text(ok, "checked");
	_cleanup_(freep) char *place = key_text_place(command, ok);

	print_line("Logged in to %s, account '%s'%s: requests are signed.",
		place ? place : verb_text(ok, "index"), verb_text(ok, "account"), use_words(ok));
	print_line(strcmp(checked, "valid") == 0 ? "The registry knows this key:"
						 : "Register this key at the registry:");
	key_text_show(ok, "public", "pid");
	show_origin(print, ok);
	key_text_show_claims(print, ok);
	show_key(print, ok);
	show_check(print, ok);
	if (strcmp(checked, "unregistered") == 0)
		show_unregistered(command, ok);
}

static void show(const struct command *command, const struct json *ok) {
	const struct print *print = &command->print;

	if (key_text_signs(ok)) {
		show_signing(command, ok);
		return;
	}
	print_line("Logged in to %s as account '%s'%s.", verb_index_name(verb_text(ok, "index")),
		verb_text(ok, "account"), use_words(ok));
	print_row(print, "index", PRINT_PLAIN, "%s", verb_text(ok, "index"));
	show_origin(print, ok);
	show_token(print, ok);
	show_check(print, ok);
}

/* A first login makes the store on the way, where a person is there to choose a passphrase. */
static enum exit_code init_first(struct command *command) {
	struct command init = *command;

	print_note(&command->print, "there is no store for tokens yet; making one first");
	init.verb = &verb_init;
	init.print.is_json = false;
	init.print.is_quiet = command->print.is_quiet || command->print.is_json;
	init.store = NULL;
	init.no_passphrase = false;
	init.with_secret = false;
	return verb_init.run(&init);
}

static bool wants_store(const struct command *command, const struct verb_answer *answer) {
	return answer->reply->refusal == REFUSAL_NO_STORE && answer->had_terminal &&
	       !command->with_secret;
}

static enum exit_code ask(struct command *command, const struct request *request) {
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	_cleanup_(fd_closep) int secret_fd = -1;
	enum exit_code code;

	code = verb_take_secret(command, &secret_fd);
	if (code != EXIT_DONE)
		return code;
	code = verb_ask(command, request, VERB_LENDS_TERMINAL, secret_fd, &answer);
	if (code != EXIT_DONE)
		return code;
	if (wants_store(command, &answer)) {
		code = init_first(command);
		if (code != EXIT_DONE)
			return code;
		verb_answer_done(&answer);
		code = verb_ask(command, request, VERB_LENDS_TERMINAL, -1, &answer);
		if (code != EXIT_DONE)
			return code;
	}
	return verb_show(command, &answer, show, false);
}

static enum exit_code take_signing(const struct command *command, struct request *request) {
	const char *footer_key = command->footer_key;
	enum exit_code code;

	if (!command->asymmetric && (command->subject || footer_key))
		return print_usage(
			&command->print, "--subject and --footer-key go with --asymmetric only");
	code = verb_check_claims(command);
	if (code != EXIT_DONE)
		return code;
	if (!verb_set(command, &request->subject, command->subject))
		return EXIT_FAILED;
	request->is_asymmetric = command->asymmetric;
	request->wants_kid = footer_key && strcmp(footer_key, "kid") == 0;
	return EXIT_DONE;
}

static enum exit_code take_options(const struct command *command, struct request *request) {
	if (!verb_set(command, &request->account, command->account) ||
		!verb_set(command, &request->api, command->api) ||
		!verb_set(command, &request->scope, command->scope) ||
		!verb_set(command, &request->crates, command->crates))
		return EXIT_FAILED;
	if (command->use && strcmp(command->use, "read") != 0)
		return print_usage(&command->print, "--for takes the word read");
	if (command->expires && when_parse(command->expires, time(NULL), &request->expires) < 0)
		return print_usage(&command->print,
			"--expires takes a span (90d, 12h, 30min) or a day (2027-02-20), and lies "
			"ahead");
	request->for_read = command->use;
	request->allow_http = command->allow_http;
	request->no_check = command->no_check;
	request->replace = command->replace;
	request->secret_in_pipe = command->with_secret;
	return take_signing(command, request);
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LOGIN);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code != EXIT_DONE)
		return code;
	code = take_options(command, request);
	if (code != EXIT_DONE)
		return code;
	code = destination_fill(command, request);
	return code != EXIT_DONE ? code : ask(command, request);
}

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"with-token", 0, OPTION_FLAG, offsetof(struct command, with_secret)},
	{"api", 0, OPTION_TEXT, offsetof(struct command, api)},
	{"allow-http", 0, OPTION_FLAG, offsetof(struct command, allow_http)},
	{"for", 0, OPTION_TEXT, offsetof(struct command, use)},
	{"expires", 0, OPTION_TEXT, offsetof(struct command, expires)},
	{"scope", 0, OPTION_TEXT, offsetof(struct command, scope)},
	{"crates", 0, OPTION_TEXT, offsetof(struct command, crates)},
	{"no-check", 0, OPTION_FLAG, offsetof(struct command, no_check)},
	{"replace", 0, OPTION_FLAG, offsetof(struct command, replace)},
	{"asymmetric", 0, OPTION_FLAG, offsetof(struct command, asymmetric)},
	{"subject", 0, OPTION_TEXT, offsetof(struct command, subject)},
	{"footer-key", 0, OPTION_TEXT, offsetof(struct command, footer_key)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_login = {
	.name = "login",
	.summary = "Store a registry's token, or make a key",
	.help = "Usage: cpub-agent login [--registry NAME | --index URL] [--account NAME]\n"
		"                        [--with-token] [--replace] [--for read] [--expires WHEN]\n"
		"                        [--scope WORDS] [--crates WORDS] [--api URL] [--allow-http]\n"
		"                        [--no-check]\n"
		"                        [--asymmetric [--subject S] [--footer-key kip|kid]]\n"
		"\n"
		"Looks at the registry's index without a token, shows which API and download URLs it\n"
		"names, asks for the token, tries it where the registry lets it, and stores it\n"
		"sealed. No option takes a secret itself.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: crates-io)\n"
		"  --index URL         A registry by its index, sparse+https://… or https://…\n"
		"  --account NAME      A name of your own, for several tokens of one registry\n"
		"                      (the default: default); cargo's provider takes it as well\n"
		"  --with-token        The first line of standard input is the token; with --asymmetric\n"
		"                      all of it is the private key\n"
		"  --replace           Another token or key takes the place of the one that is there;\n"
		"                      the passphrase is asked\n"
		"  --for read          A token for reads alone, of a registry that wants one for every\n"
		"                      read; build scripts can have that one, and not the other\n"
		"  --expires WHEN      When the token ends, if you know: 90d, 12h, 2027-02-20. You are\n"
		"                      warned before, and it is not handed out after\n"
		"  --scope WORDS       What the token may do, for you to see; nobody asks the registry\n"
		"  --crates WORDS      For which crates, likewise\n"
		"  --api URL           The only API that the token may go to\n"
		"  --allow-http        Let the token go over plain http, on this machine only\n"
		"  --no-check          Ask neither index nor registry. The account stays unpinned: the\n"
		"                      agent sends no request of its own with the token\n"
		"  --asymmetric        Make a key that signs a token for each request (RFC 3231), and\n"
		"                      print its public half, for the registry. With --with-token take\n"
		"                      your own instead: a k3.secret. text, or unencrypted PEM of P-384\n"
		"  --subject S         What its tokens claim to come from, if the registry told you\n"
		"  --footer-key KEY    How they name the key: kip, as cargo does, or kid, as RFC 3231\n"
		"\n"
		"A private CA and a proxy are taken from CARGO_HTTP_CAINFO, CARGO_HTTP_PROXY, your own\n"
		"cargo configuration, SSL_CERT_FILE and https_proxy, never from a project's file, and\n"
		"kept with the account.\n",
	.options = options,
	.run = run,
};
