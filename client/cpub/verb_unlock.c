#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	int64_t locks_after = verb_number(ok, "locks-after", -1);
	char duration[PRINT_SHORT_SIZE];

	(void) command;
	print_line(strcmp(verb_text(ok, "was"), "unlocked") == 0 ? "The store was unlocked already."
								 : "Unlocked the store.");
	if (locks_after >= 0)
		print_line("It locks after %s without a request.",
			print_duration(locks_after, duration));
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_UNLOCK);

	if (!request)
		return verb_fail(command, -ENOMEM);
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, false);
}

static const struct verb_option options[] = {
	{"with-passphrase", 0, OPTION_FLAG, offsetof(struct command, with_secret)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_unlock = {
	.name = "unlock",
	.summary = "Unlock the store",
	.help = "Usage: cpub-agent unlock [--with-passphrase]\n"
		"\n"
		"Asks for the passphrase and unlocks the store until it is locked, or not used for "
		"a\n"
		"while.\n"
		"\n"
		"  --with-passphrase   The first line of standard input is the passphrase\n",
	.options = options,
	.run = run,
};
