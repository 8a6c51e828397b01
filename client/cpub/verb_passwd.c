#include <errno.h>
#include <inttypes.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	(void) command;
	print_line("Changed the passphrase, and sealed all accounts anew (%" PRId64 ").",
		verb_number(ok, "accounts", 0));
	print_line("A copy of the old vault, in a backup say, still opens with the old one.");
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_PASSWD);

	if (!request)
		return verb_fail(command, -ENOMEM);
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, false);
}

static const struct verb_option options[] = {
	{"with-passphrase", 0, OPTION_FLAG, offsetof(struct command, with_secret)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_passwd = {
	.name = "passwd",
	.summary = "Change the passphrase",
	.help = "Usage: cpub-agent passwd [--with-passphrase]\n"
		"\n"
		"Asks for the passphrase and for a new one, twice, and seals everything anew under\n"
		"a new key. A copy of the old vault still opens with the old passphrase.\n"
		"\n"
		"  --with-passphrase   The first line of standard input is the new passphrase; the\n"
		"                      old one is asked on the terminal\n",
	.options = options,
	.run = run,
};
