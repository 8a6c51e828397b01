#include "verb.h"
#include "yank.h"

static enum exit_code run(struct command *command) {
	return yank_run(command, KIND_UNYANK);
}

static const struct verb_option options[] = {
	{"version", 0, OPTION_TEXT, offsetof(struct command, version)},
	{"vers", 0, OPTION_TEXT, offsetof(struct command, version)},
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_unyank = {
	.name = "unyank",
	.summary = "Put yanked versions back",
	.help = "Usage: cpub-agent unyank CRATE@VERSION...\n"
		"                         [--registry NAME | --index URL] [--account NAME]\n"
		"       cpub-agent unyank CRATE --version VERSION | --vers VERSION [...]\n"
		"\n"
		"Takes a yank back, in the same way as `cpub-agent yank` does one.\n"
		"\n"
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
