/* Looks whether a token and a crate are ready, without changing anything. */

#include <errno.h>
#include <string.h>

#include "destination.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "release.h"
#include "verb.h"

static const struct {
	const char *name;
	const char *mark;
	enum print_style style;
} states[] = {
	{"good", "\u2713", PRINT_GOOD},
	{"warning", "!", PRINT_WARN},
	{"bad", "\u2717", PRINT_BAD},
	{"unknown", "?", PRINT_WARN},
};
#define N_STATES (sizeof(states) / sizeof(states[0]))

static size_t state_of(const struct json *finding) {
	const char *name = verb_text(finding, "state");
	size_t i = 0;

	/* A word of a later agent is not known. */
	while (i < N_STATES - 1 && strcmp(states[i].name, name) != 0)
		i++;
	return i;
}

static enum exit_code judge(const struct command *command, const struct json *ok) {
	const struct json *finding = json_first(json_member(ok, "findings"));
	bool is_bad = false;

	for (; finding; finding = json_next(finding)) {
		size_t i = state_of(finding);

		is_bad = is_bad || states[i].style == PRINT_BAD;
		if (command->print.is_json ||
			(command->print.is_quiet && states[i].style == PRINT_GOOD))
			continue;
		print_row(&command->print, verb_text(finding, "what"), states[i].style, "%s %s",
			states[i].mark, verb_text(finding, "text"));
	}
	return is_bad ? EXIT_FAILED : EXIT_DONE;
}

static enum exit_code take_words(const struct command *command, struct request *request) {
	_cleanup_(release_done) struct release release = {0};
	enum exit_code code;

	if (command->words.n == 0)
		return EXIT_DONE;
	if (command->words.n > 1)
		return print_usage(&command->print, "one crate at a time");
	code = release_parse(command, command->words.items[0], &release);
	if (code != EXIT_DONE)
		return code;
	request->crate = TAKE_PTR(release.crate);
	request->version = TAKE_PTR(release.version);
	return EXIT_DONE;
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_CHECK);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code == EXIT_DONE)
		code = take_words(command, request);
	if (code != EXIT_DONE)
		return code;
	return destination_run(command, request, judge);
}

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_check = {
	.name = "check",
	.summary = "Look whether token and crate are ready for a release",
	.help = "Usage: cpub-agent check [CRATE | CRATE@VERSION]\n"
		"                        [--registry NAME | --index URL] [--account NAME]\n"
		"\n"
		"Tries the token at the registry, compares the index with what was pinned at login,\n"
		"and looks at the crate there: its owners, and whether the version is free. Says what\n"
		"is well (\u2713), what to look at (!), what is bad (\u2717) and what could not be found\n"
		"out (?). Changes nothing. Ends with 1 if something is bad.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: the one\n"
		"                      that is cargo's default, else crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Whose token to try (the default: default)\n",
	.takes = "CRATE",
	.options = options,
	.run = run,
};
