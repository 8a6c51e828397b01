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
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	_cleanup_(fd_closep) int secret_fd = -1;
	enum exit_code code;

	if (!request)
		return verb_fail(command, -ENOMEM);
	request->secret_in_pipe = command->with_secret;
	code = verb_take_secret(command, &secret_fd);
	if (code != EXIT_DONE)
		return code;
	code = verb_ask(command, request, VERB_LENDS_TERMINAL, secret_fd, &answer);
	if (code != EXIT_DONE)
		return code;
	return verb_show(command, &answer, show, false);
}

static const struct verb_option options[] = {
	{"with-passphrase", 0, false, offsetof(struct command, with_secret)},
	{NULL, 0, false, 0},
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
