#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

static void show(const struct command *command, const struct json *ok) {
	const char *path = json_string(json_member(ok, "path"));
	const char *leftover = json_string(json_member(ok, "leftover"));

	(void) command;
	if (verb_flag(ok, "unchanged")) {
		print_line("The store is in the %s already; nothing was changed.",
			verb_text(ok, "to"));
		return;
	}
	print_line("Moved the store from the %s to the %s%s%s%s (%" PRId64 " accounts).",
		verb_text(ok, "from"), verb_text(ok, "to"), path ? ", '" : "", path ? path : "",
		path ? "'" : "", verb_number(ok, "accounts", 0));
	if (leftover)
		print_line("The old one, in the %s, could not be erased; each unlock tries again.",
			leftover);
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_MOVE);

	if (!request)
		return verb_fail(command, -ENOMEM);
	if (!command->to ||
		(strcmp(command->to, "keyring") != 0 && strcmp(command->to, "vault") != 0))
		return print_usage(&command->print, "say where to: `--to keyring` or `--to vault`");
	if (!verb_set(command, &request->to, command->to))
		return EXIT_FAILED;
	return verb_run(command, request, VERB_LENDS_TERMINAL, show, false);
}

static const struct verb_option options[] = {
	{"to", 0, OPTION_TEXT, offsetof(struct command, to)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_move = {
	.name = "move",
	.summary = "Move the store to another place",
	.help = "Usage: cpub-agent move --to keyring|vault\n"
		"\n"
		"Takes the store as it is to another place, after the passphrase, which opens it\n"
		"there too. The old one is erased once the copy has been read back; whatever fails\n"
		"on the way, one of them stays whole. What is at the new place is never "
		"overwritten.\n"
		"\n"
		"  --to keyring        Into the system's keyring; what lies there is ciphertext\n"
		"  --to vault          Into a sealed file of cpub-agent's own\n",
	.options = options,
	.run = run,
};
