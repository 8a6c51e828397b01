#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "destination.h"
#include "outcome.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "release.h"
#include "verb.h"

/* The widest column of logins; longer ones push the rest of their line. */
#define LOGIN_WIDTH_MAX 48

static int login_width(const struct json *owners) {
	size_t width = 0;

	for (const struct json *owner = json_first(owners); owner; owner = json_next(owner)) {
		size_t size = strlen(verb_text(owner, "login"));

		if (size > width && size <= LOGIN_WIDTH_MAX)
			width = size;
	}
	return (int) width;
}

static void show_owners(const struct json *owners) {
	int width = login_width(owners);

	for (const struct json *owner = json_first(owners); owner; owner = json_next(owner)) {
		const char *name = json_string(json_member(owner, "name"));

		print_line("%-*s  %-4s%s%s", width, verb_text(owner, "login"),
			verb_text(owner, "kind"), name ? "  " : "", name ? name : "");
	}
}

/* "alice, bob": those of one act. Caller frees; NULL without memory. */
static char *users_of(const struct json *result) {
	const struct json *user = json_first(json_member(result, "users"));
	char *text = strdup("");

	for (; user && text; user = json_next(user)) {
		_cleanup_(freep) char *before = text;
		const char *login = json_string(user);

		if (asprintf(&text, "%s%s%s", before, *before ? ", " : "", login ? login : "?") < 0)
			text = NULL;
	}
	return text;
}

/* There a person becomes an owner by accepting; a team (`github:org:team`) does at once. */
static bool is_invitation(const struct command *command, const struct json *result) {
	const struct json *user = json_first(json_member(result, "users"));

	if (command->index || (command->registry && strcmp(command->registry, CRATES_IO_NAME) != 0))
		return false;
	for (; user; user = json_next(user)) {
		if (json_string(user) && !strchr(json_string(user), ':'))
			return true;
	}
	return false;
}

/* An invitation is no owner yet, so that is never called more than the registry does. */
static void show_done(const struct command *command, const struct json *result, const char *users) {
	bool is_add = strcmp(verb_text(result, "act"), "add") == 0;
	const char *said = json_string(json_member(result, "said"));

	print_row(&command->print, is_add ? "add" : "remove", PRINT_GOOD, "%s: accepted", users);
	if (said)
		print_row(&command->print, "", PRINT_PLAIN, "the registry says: %s", said);
	if (is_add && is_invitation(command, result))
		print_row(&command->print, "", PRINT_PLAIN,
			"people are invited, and are owners once they accept (30 days)");
}

static enum exit_code judge_results(const struct command *command, const struct json *ok) {
	const struct json *result = json_first(json_member(ok, "results"));
	struct outcomes outcomes = {0};

	for (; result; result = json_next(result)) {
		_cleanup_(freep) char *users = users_of(result);
		_cleanup_(freep) char *what = NULL;

		if (!users || asprintf(&what, "%s %s", verb_text(result, "act"), users) < 0)
			return verb_fail(command, -ENOMEM);
		if (!outcomes_add(&outcomes, result))
			outcome_complain(command, result, what);
		else if (!command->print.is_json && !command->print.is_quiet)
			show_done(command, result, users);
	}
	return outcomes_exit_code(&outcomes);
}

static enum exit_code judge(const struct command *command, const struct json *ok) {
	if (command->add.n > 0 || command->remove.n > 0)
		return judge_results(command, ok);
	if (!command->print.is_json)
		show_owners(json_member(ok, "owners"));
	return EXIT_DONE;
}

static enum exit_code take_logins(
	const struct command *command, const struct texts *logins, char ***ret) {
	if (logins->n == 0)
		return EXIT_DONE;
	if (logins->n > LOGINS_IN_REQUEST_MAX)
		return print_usage(&command->print, "at most %d logins at once, as crates.io has it",
			LOGINS_IN_REQUEST_MAX);
	*ret = calloc(logins->n + 1, sizeof(**ret));
	if (!*ret)
		return verb_fail(command, -ENOMEM);
	for (size_t i = 0; i < logins->n; i++) {
		if (!owner_login_is_valid(logins->items[i]))
			return print_usage(&command->print,
				"'%.80s' is no login; a team is written github:ORGANISATION:TEAM",
				logins->items[i]);
		if (!verb_set(command, &(*ret)[i], logins->items[i]))
			return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static enum exit_code take_crate(const struct command *command, struct request *request) {
	_cleanup_(release_done) struct release release = {0};
	enum exit_code code;

	if (command->words.n != 1)
		return print_usage(&command->print, "the owners of which one crate?");
	code = release_parse(command, command->words.items[0], &release);
	if (code != EXIT_DONE)
		return code;
	if (release.version)
		return print_usage(&command->print,
			"owners are those of all versions of a crate: name '%s' alone",
			release.crate);
	request->crate = TAKE_PTR(release.crate);
	return EXIT_DONE;
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_OWNER);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	if (command->list && (command->add.n > 0 || command->remove.n > 0))
		return print_usage(&command->print, "--list goes with neither --add nor --remove");
	code = verb_check_registry(command);
	if (code == EXIT_DONE)
		code = take_crate(command, request);
	if (code == EXIT_DONE)
		code = take_logins(command, &command->add, &request->add);
	if (code == EXIT_DONE)
		code = take_logins(command, &command->remove, &request->remove);
	if (code != EXIT_DONE)
		return code;
	return destination_run(command, request, judge);
}

static const struct verb_option options[] = {
	{"add", 'a', OPTION_TEXTS, offsetof(struct command, add)},
	{"remove", 'r', OPTION_TEXTS, offsetof(struct command, remove)},
	{"list", 'l', OPTION_FLAG, offsetof(struct command, list)},
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_owner = {
	.name = "owner",
	.summary = "Show or change who owns a crate",
	.help = "Usage: cpub-agent owner CRATE [--list | [--add LOGIN]... [--remove LOGIN]...]\n"
		"                        [--registry NAME | --index URL] [--account NAME]\n"
		"\n"
		"Shows the owners, login, kind and name; or has the agent change them once you have\n"
		"approved it. First those to add go to the registry, in one request, then those to\n"
		"remove. A person whom you add at crates.io is invited, and is an owner once they\n"
		"accept; a team, github:ORGANISATION:TEAM, is one at once.\n"
		"\n"
		"  -a, --add LOGIN     Add this one; may be given several times\n"
		"  -r, --remove LOGIN  Remove this one; likewise\n"
		"  -l, --list          Show them, as without any of these\n"
		"  --registry NAME     A registry of cargo's configuration (the default: the one\n"
		"                      that is cargo's default, else crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Whose token it is done with (the default: default)\n",
	.takes = "CRATE",
	.options = options,
	.run = run,
};
