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
#include "yank.h"

static enum exit_code judge(const struct command *command, const struct json *ok) {
	bool is_back = strcmp(verb_text(ok, "kind"), "unyank") == 0;
	const struct json *result = json_first(json_member(ok, "results"));
	struct outcomes outcomes = {0};

	for (; result; result = json_next(result)) {
		const char *name = verb_text(result, "name"), *version = verb_text(result, "vers");
		_cleanup_(freep) char *what = NULL;

		if (!outcomes_add(&outcomes, result)) {
			if (asprintf(&what, "%s %s", name, version) < 0)
				return verb_fail(command, -ENOMEM);
			outcome_complain(command, result, what);
		} else if (!command->print.is_json && !command->print.is_quiet) {
			print_line("%s %s %s.", is_back ? "Unyanked" : "Yanked", name, version);
		}
	}
	return outcomes_exit_code(&outcomes);
}

static bool is_there(const struct request *request, const struct release *release) {
	for (size_t i = 0; i < request->n_releases; i++) {
		if (strcmp(request->releases[i].crate, release->crate) == 0 &&
			strcmp(request->releases[i].version, release->version) == 0)
			return true;
	}
	return false;
}

/* One word; there is room for it. */
static enum exit_code add_release(
	const struct command *command, const char *word, struct request *request) {
	_cleanup_(release_done) struct release release = {0};
	enum exit_code code = release_parse(command, word, &release);

	if (code != EXIT_DONE)
		return code;
	if (!release.version && command->version)
		release.version = strdup(command->version);
	else if (command->version)
		return print_usage(&command->print,
			"'%s' has a version already, and --version gives another", word);
	if (!release.version)
		return command->version ? verb_fail(command, -ENOMEM)
					: print_usage(&command->print,
						  "which version of '%s'? %s@VERSION", word, word);
	if (!semver_is_valid(release.version))
		return print_usage(&command->print,
			"--version takes a version of a crate, as 1.0.0 is one");
	if (is_there(request, &release))
		return print_usage(&command->print, "'%s' is there twice", word);
	request->releases[request->n_releases++] = (struct request_release){
		.crate = TAKE_PTR(release.crate), .version = TAKE_PTR(release.version)};
	return EXIT_DONE;
}

static enum exit_code take_words(const struct command *command, struct request *request) {
	const struct texts *words = &command->words;
	enum exit_code code = EXIT_DONE;

	if (words->n == 0)
		return print_usage(&command->print,
			"which crate and version? `cpub-agent %s CRATE@VERSION`",
			command->verb->name);
	if (words->n > RELEASES_IN_REQUEST_MAX)
		return print_usage(&command->print, "at most %d releases at once",
			RELEASES_IN_REQUEST_MAX);
	if (words->n > 1 && command->version)
		return print_usage(
			&command->print, "--version goes with one crate; write CRATE@VERSION each");
	request->releases = calloc(words->n, sizeof(*request->releases));
	if (!request->releases)
		return verb_fail(command, -ENOMEM);
	for (size_t i = 0; i < words->n && code == EXIT_DONE; i++)
		code = add_release(command, words->items[i], request);
	return code;
}

enum exit_code yank_run(struct command *command, enum kind kind) {
	_cleanup_(request_freep) struct request *request = request_new(kind);
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

static enum exit_code run(struct command *command) {
	return yank_run(command, command->undo ? KIND_UNYANK : KIND_YANK);
}

static const struct verb_option options[] = {
	{"undo", 0, OPTION_FLAG, offsetof(struct command, undo)},
	{"version", 0, OPTION_TEXT, offsetof(struct command, version)},
	{"vers", 0, OPTION_TEXT, offsetof(struct command, version)},
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_yank = {
	.name = "yank",
	.summary = "Take versions of a crate out of the choice for new projects",
	.help = "Usage: cpub-agent yank CRATE@VERSION... [--undo]\n"
		"                       [--registry NAME | --index URL] [--account NAME]\n"
		"       cpub-agent yank CRATE --version VERSION | --vers VERSION [...]\n"
		"\n"
		"The agent yanks these versions at the registry, one after the other, once you have\n"
		"approved all of them; the token goes to the registry alone. What is yanked can still\n"
		"be downloaded by those who use it already. Ends with 9 if only some were done.\n"
		"\n"
		"  --undo              Take it back, as `cpub-agent unyank` does\n"
		"  --version VERSION   The version of the one crate, as cargo takes it (-V shows that\n"
		"                      of cpub-agent)\n"
		"  --vers VERSION      The same\n"
		"  --registry NAME     A registry of cargo's configuration (the default: the one\n"
		"                      that is cargo's default, else crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Whose token it is done with (the default: default)\n",
	.takes = "CRATE@VERSION",
	.options = options,
	.run = run,
};
