/*
 * Completion scripts for shells, written from the same tables from which the
 * command line is read, so that they cannot fall behind.
 */

#include <string.h>

#include "options.h"
#include "verb.h"

static void write_options(const struct verb_option *option) {
	for (; option && option->name; option++)
		printf(" --%s", option->name);
}

static void write_objects(const struct verb *verb) {
	for (const char *const *object = verb->objects; object && *object; object++)
		printf(" %s", *object);
}

/* " | login | setup": the verbs, each but the first with `between` in front. */
static void write_verbs(const char *between) {
	for (size_t i = 0; options_verbs[i]; i++)
		printf("%s%s", i > 0 ? between : "", options_verbs[i]->name);
}

/* zsh runs this as well, by its bashcompinit. */
static void write_bash(void) {
	fputs("_cpub_agent() {\n"
	      "	local verb= word words i\n"
	      "	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "		case ${COMP_WORDS[i]} in\n"
	      "		",
		stdout);
	write_verbs(" | ");
	fputs(")\n"
	      "			verb=${COMP_WORDS[i]}\n"
	      "			break\n"
	      "			;;\n"
	      "		esac\n"
	      "	done\n"
	      "	case $verb in\n",
		stdout);
	for (size_t i = 0; options_verbs[i]; i++) {
		printf("	%s) words='", options_verbs[i]->name);
		write_objects(options_verbs[i]);
		write_options(options_verbs[i]->options);
		puts("' ;;");
	}
	fputs("	*) words='", stdout);
	write_verbs(" ");
	fputs("' ;;\n"
	      "	esac\n"
	      "	words+='",
		stdout);
	write_options(options_globals);
	fputs("'\n"
	      "	word=${COMP_WORDS[COMP_CWORD]}\n"
	      "	COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	      "}\n"
	      "complete -F _cpub_agent cpub-agent\n",
		stdout);
}

static void write_zsh(void) {
	puts("autoload -U +X compinit && compinit\n"
	     "autoload -U +X bashcompinit && bashcompinit");
	write_bash();
}

static void write_fish_options(const char *condition, const struct verb_option *option) {
	for (; option && option->name; option++)
		printf("complete -c cpub-agent %s -l %s%s\n", condition, option->name,
			option->kind != OPTION_FLAG ? " -x" : "");
}

static void write_fish(void) {
	puts("complete -c cpub-agent -f");
	for (size_t i = 0; options_verbs[i]; i++) {
		const struct verb *verb = options_verbs[i];
		char condition[80];

		printf("complete -c cpub-agent -n __fish_use_subcommand -a %s -d '%s'\n",
			verb->name, verb->summary);
		snprintf(condition, sizeof(condition), "-n '__fish_seen_subcommand_from %s'",
			verb->name);
		if (verb->objects) {
			printf("complete -c cpub-agent %s -a '", condition);
			write_objects(verb);
			puts("'");
		}
		write_fish_options(condition, verb->options);
	}
	write_fish_options("", options_globals);
}

static enum exit_code run(struct command *command) {
	if (!command->object)
		return print_usage(&command->print, "for which shell? bash, zsh or fish");
	if (strcmp(command->object, "bash") == 0)
		write_bash();
	else if (strcmp(command->object, "zsh") == 0)
		write_zsh();
	else
		write_fish();
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const char *const objects[] = {"bash", "zsh", "fish", NULL};

const struct verb verb_completion = {
	.name = "completion",
	.summary = "Print a completion script for your shell",
	.help = "Usage: cpub-agent completion bash | zsh | fish\n"
		"\n"
		"Prints a script that completes verbs and options. For bash, in ~/.bashrc:\n"
		"\n"
		"  eval \"$(cpub-agent completion bash)\"\n",
	.objects = objects,
	.run = run,
};
