#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	(void) command;
	print_line(strcmp(verb_text(ok, "was"), "locked") == 0 ? "The store was locked already."
							       : "Locked the store.");
	if (verb_flag(ok, "reopens"))
		print_line("It opens by itself at the next request: no passphrase seals it. "
			   "`cpub-agent passwd` sets one.");
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LOCK);

	if (!request)
		return verb_fail(command, -ENOMEM);
	return verb_run(command, request, VERB_LENDS_NOTHING, show, false);
}

const struct verb verb_lock = {
	.name = "lock",
	.summary = "Lock the store",
	.help = "Usage: cpub-agent lock\n"
		"\n"
		"Makes the agent forget the store's key and every open secret.\n",
	.run = run,
};
