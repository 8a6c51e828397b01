#include <errno.h>
#include <string.h>

#include "key_text.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static bool is_for_read(const struct json *account) {
	return strcmp(verb_text(account, "for"), "read") == 0;
}

/* What is out of the ordinary about an account, one row each. */
static void show_notes(const struct print *print, const struct json *account) {
	const char *proxy = json_string(json_member(account, "proxy"));

	if (verb_flag(account, "plain-http"))
		print_row(print, "warning", PRINT_WARN, "its token goes over plain http");
	if (verb_flag(account, "private-ca"))
		print_row(print, "CA", PRINT_PLAIN, "a private one, kept with the account");
	if (proxy)
		print_row(print, "proxy", PRINT_PLAIN, "%s", proxy);
	if (verb_flag(account, "readable"))
		print_row(print, "warning", PRINT_WARN,
			key_text_signs(account)
				? "any program of yours can have a token signed for reads"
				: "any program of yours can read this one");
}

/* "bearer", or "signs (k3.pid.…)", and the day. */
static void show_secret(const struct print *print, const struct json *account) {
	const char *pid = key_text_signs(account) ? verb_text(account, "pid") : NULL;
	int64_t added = verb_number(account, "added", -1);
	char day[PRINT_SHORT_SIZE];

	print_row(print, pid ? "key" : "token", PRINT_PLAIN, "%s%s%s%s%s",
		pid ? "signs (" : verb_text(account, "type"), pid ? pid : "", pid ? ")" : "",
		added >= 0 ? ", added " : "", added >= 0 ? print_day(added, day) : "");
}

static void show_next_key(const struct print *print, const struct json *account) {
	const char *next = json_string(json_member(account, "next-pid"));
	_cleanup_(freep) char *finish =
		key_text_account_command(account, "key rotate --finish", true);

	if (next)
		print_row(print, "next key", PRINT_WARN, "%s; `%s` once it is registered", next,
			finish ? finish : "cpub-agent key rotate --finish");
}

/* One for reads alone needs none of it: the agent sends nothing else with it. */
static void show_origin(const struct print *print, const struct json *account) {
	_cleanup_(freep) char *trust = key_text_account_command(account, "trust", false);
	const char *api = json_string(json_member(account, "api"));
	const char *dl = json_string(json_member(account, "dl"));

	if (api)
		print_row(print, "api", PRINT_PLAIN, "%s", api);
	else if (!is_for_read(account))
		print_row(print, "api", PRINT_WARN, "unpinned; `%s` asks the index",
			trust ? trust : "cpub-agent trust");
	if (dl)
		print_row(print, "downloads", PRINT_PLAIN, "%s", dl);
}

/* What the person told of the token at login. */
static void show_told(const struct print *print, const struct json *account) {
	const char *scope = json_string(json_member(account, "scope"));
	const char *crates = json_string(json_member(account, "crates"));
	int64_t expires = verb_number(account, "expires", 0);
	char text[PRINT_EXPIRY_SIZE];
	enum print_style style;

	if (expires > 0) {
		style = print_expiry(expires, text);
		print_row(print, "expires", style, "%s", text);
	}
	if (scope)
		print_row(print, "scope", PRINT_PLAIN, "%s", scope);
	if (crates)
		print_row(print, "crates", PRINT_PLAIN, "%s", crates);
}

static void show_account(const struct print *print, const struct json *account) {
	const char *index = verb_text(account, "index");

	print_line("%s", verb_index_name(index));
	print_row(print, "account", PRINT_PLAIN, "%s%s", verb_text(account, "account"),
		is_for_read(account) ? ", for reads alone" : "");
	if (strcmp(index, verb_index_name(index)) != 0)
		print_row(print, "index", PRINT_PLAIN, "%s", index);
	show_origin(print, account);
	show_secret(print, account);
	if (key_text_signs(account))
		key_text_show_claims(print, account);
	show_next_key(print, account);
	show_told(print, account);
	show_notes(print, account);
}

static void show(const struct command *command, const struct json *ok) {
	const struct json *account = json_first(json_member(ok, "accounts"));

	if (!account)
		print_line("No accounts. `cpub-agent login` adds one.");
	for (bool is_first = true; account; account = json_next(account), is_first = false) {
		if (!is_first)
			print_line("%s", "");
		show_account(&command->print, account);
	}
	if (verb_number(ok, "level", -1) == 1 && json_first(json_member(ok, "accounts")))
		print_line("\nLevel 1: any program of yours can read these%s.",
			strcmp(verb_text(ok, "store"), "keyring") == 0
				? " while the keyring is unlocked"
				: "");
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LIST);

	if (!request)
		return verb_fail(command, -ENOMEM);
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, true);
}

const struct verb verb_list = {
	.name = "list",
	.summary = "Show the accounts in the store",
	.help = "Usage: cpub-agent list\n"
		"\n"
		"Shows the accounts in the store and where their tokens may go, never a token or a\n"
		"private key. Asks for the passphrase if the store is locked.\n",
	.run = run,
};
