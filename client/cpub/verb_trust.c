#include <errno.h>

#include "destination.h"
#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show_origin(const struct print *print, const struct json *ok, const char *label,
	const char *now, const char *before) {
	const char *url = json_string(json_member(ok, now));
	const char *old = json_string(json_member(ok, before));

	print_row(print, label, PRINT_PLAIN, "%s", url ? url : "none");
	if (verb_flag(ok, "changed"))
		print_row(print, "  before", PRINT_PLAIN, "%s", old ? old : "none");
}

static void show(const struct command *command, const struct json *ok) {
	const struct print *print = &command->print;

	print_line(verb_flag(ok, "changed") ? "What account '%s' at %s sends may go here now:"
					    : "Nothing has changed for account '%s' at %s:",
		verb_text(ok, "account"), verb_index_name(verb_text(ok, "index")));
	show_origin(print, ok, "api", "api", "old-api");
	show_origin(print, ok, "downloads", "dl", "old-dl");
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_TRUST);
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	code = verb_check_registry(command);
	if (code != EXIT_DONE)
		return code;
	if (!verb_set(command, &request->account, command->account) ||
		!verb_set(command, &request->api, command->api))
		return EXIT_FAILED;
	code = destination_fill(command, request);
	if (code != EXIT_DONE)
		return code;
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, false);
}

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"api", 0, OPTION_TEXT, offsetof(struct command, api)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_trust = {
	.name = "trust",
	.summary = "Accept that a registry's API or CA has changed",
	.help = "Usage: cpub-agent trust [--registry NAME | --index URL] [--account NAME]\n"
		"                        [--api URL]\n"
		"\n"
		"Looks at the registry's index again, shows which API and download URLs were pinned\n"
		"at login and which it names now, and pins those, with the CA and the proxy that\n"
		"your configuration has now. Asks for the passphrase. The token or key stays.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      The account (the default: default)\n"
		"  --api URL           The only API that the token may go to\n",
	.options = options,
	.run = run,
};
