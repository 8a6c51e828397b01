#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MAX_SEC (24 * 60 * 60)

/* The words of the command line, and the one that is being read. */
struct line {
	int n;
	char **words;
	int at;
};

const struct verb *const options_verbs[] = {
	&verb_init,
	&verb_login,
	&verb_logout,
	&verb_list,
	&verb_status,
	&verb_lock,
	&verb_unlock,
	&verb_passwd,
	&verb_move,
	&verb_trust,
	&verb_publish,
	&verb_yank,
	&verb_unyank,
	&verb_owner,
	&verb_check,
	&verb_revoke,
	&verb_key,
	&verb_setup,
	&verb_doctor,
	&verb_completion,
	&verb_import,
	NULL,
};

const struct verb_option options_globals[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct command, print.is_json)},
	{"quiet", 'q', OPTION_FLAG, offsetof(struct command, print.is_quiet)},
	{"verbose", 'v', OPTION_FLAG, offsetof(struct command, print.is_verbose)},
	{"color", 0, OPTION_TEXT, offsetof(struct command, color)},
	{"no-input", 0, OPTION_FLAG, offsetof(struct command, no_input)},
	{"timeout", 0, OPTION_TEXT, offsetof(struct command, timeout)},
	{"socket", 0, OPTION_TEXT, offsetof(struct command, socket)},
	{"help", 'h', OPTION_FLAG, offsetof(struct command, is_help)},
	{"version", 'V', OPTION_FLAG, offsetof(struct command, is_version)},
	{NULL, 0, OPTION_FLAG, 0},
};

static const char globals_help[] =
	"Options of every verb:\n"
	"  --json              Print the answer, or the error, as one line of JSON\n"
	"  -q, --quiet         Say nothing but errors and what was asked for\n"
	"  -v, --verbose       Say more\n"
	"  --color WHEN        auto (the default), always or never\n"
	"  --no-input          Never ask; fail where a person would have to be asked\n"
	"  --timeout SECONDS   How long to wait for the agent's answer\n"
	"  --socket PATH       The agent's socket; no agent is started for it\n"
	"  -h, --help          Show this text\n"
	"  -V, --version       Show the version\n";

static const char head[] =
	"Usage: cpub-agent [OPTIONS] [VERB]\n"
	"\n"
	"Keeps the tokens of cargo registries sealed, and hands them to cargo when you agree.\n"
	"Without a verb it shows the status.\n"
	"\n"
	"Verbs:\n";

void options_help(const struct verb *verb) {
	if (verb) {
		printf("%s\n%s", verb->help, globals_help);
		return;
	}
	fputs(head, stdout);
	for (size_t i = 0; options_verbs[i]; i++)
		printf("  %-10s  %s\n", options_verbs[i]->name, options_verbs[i]->summary);
	printf("\n%s\n`cpub-agent VERB --help` tells more about a verb, `man cpub-agent` all of it.\n",
		globals_help);
}

/* " VERB" for a hint, or nothing. */
static enum exit_code fail_with_hint(
	const struct command *command, const char *what, const char *word, int size) {
	return print_usage(&command->print, "%s '%.*s'; see `cpub-agent %s%s--help`", what, size,
		word, command->verb ? command->verb->name : "", command->verb ? " " : "");
}

static const struct verb_option *find_long(
	const struct verb_option *options, const char *word, size_t size) {
	for (; options && options->name; options++) {
		if (strlen(options->name) == size && memcmp(options->name, word, size) == 0)
			return options;
	}
	return NULL;
}

static const struct verb_option *find_letter(const struct verb_option *options, char letter) {
	for (; options && options->name; options++) {
		if (options->letter != 0 && options->letter == letter)
			return options;
	}
	return NULL;
}

static const struct verb_option *options_of_verb(const struct command *command) {
	return command->verb ? command->verb->options : NULL;
}

static void set_flag(struct command *command, const struct verb_option *option) {
	*(bool *) ((char *) command + option->offset) = true;
}

static enum exit_code add_text(
	const struct command *command, struct texts *texts, const char *text) {
	if (texts->n == TEXTS_MAX)
		return print_usage(
			&command->print, "more than %d of one kind are too many", TEXTS_MAX);
	texts->items[texts->n++] = text;
	return EXIT_DONE;
}

static enum exit_code set_text(
	struct command *command, const struct verb_option *option, const char *text) {
	void *place = (char *) command + option->offset;

	if (option->kind == OPTION_TEXTS)
		return add_text(command, place, text);
	*(const char **) place = text;
	return EXIT_DONE;
}

/* The text that is the next word, to an option shown as the first `size` bytes of `name`. */
static enum exit_code take_next(struct command *command, const struct verb_option *option,
	const char *name, int size, struct line *line) {
	if (line->at + 1 >= line->n)
		return fail_with_hint(command, "a text is missing behind", name, size);
	return set_text(command, option, line->words[++line->at]);
}

/* People who come from cargo try it, and what they gave is in the list of processes now. */
static enum exit_code fail_unknown(const struct command *command, const char *word, int size) {
	if (size == 7 && memcmp(word, "--token", 7) == 0)
		return print_usage(&command->print,
			"unknown option '--token': no token is taken from the command line, where "
			"every program can read it; revoke that one, and run `cpub-agent login` "
			"with another");
	return fail_with_hint(command, "unknown option", word, size);
}

/* "--name", "--name=text" or "--name text". */
static enum exit_code take_long(struct command *command, struct line *line) {
	const char *word = line->words[line->at] + 2;
	size_t size = strcspn(word, "=");
	const char *text = word[size] == '=' ? word + size + 1 : NULL;
	/* The verb's own first: `cargo yank` has a --version of its own, too. */
	const struct verb_option *option = find_long(options_of_verb(command), word, size);

	if (!option)
		option = find_long(options_globals, word, size);
	if (!option)
		return fail_unknown(command, word - 2, (int) size + 2);
	if (option->kind != OPTION_FLAG)
		return text ? set_text(command, option, text)
			    : take_next(command, option, word - 2, (int) size + 2, line);
	if (text)
		return fail_with_hint(
			command, "no text belongs to the option", word - 2, (int) size + 2);
	set_flag(command, option);
	return EXIT_DONE;
}

/* "-qv"; "-atext" or "-a text" for one that takes a text, as the last. */
static enum exit_code take_letters(struct command *command, struct line *line) {
	for (const char *letter = line->words[line->at] + 1; *letter; letter++) {
		const struct verb_option *option = find_letter(options_globals, *letter);
		char shown[] = {'-', *letter, '\0'};

		if (!option)
			option = find_letter(options_of_verb(command), *letter);
		if (!option)
			return fail_with_hint(command, "unknown option", shown, 2);
		if (option->kind != OPTION_FLAG)
			return letter[1] ? set_text(command, option, letter + 1)
					 : take_next(command, option, shown, 2, line);
		set_flag(command, option);
	}
	return EXIT_DONE;
}

static bool take_object(struct command *command, const char *word) {
	const char *const *object = command->verb->objects;

	while (object && *object && strcmp(*object, word) != 0)
		object++;
	if (!object || !*object)
		return false;
	command->object = *object;
	return true;
}

/* "show, rotate or set": it is said what there is, and never what was given. */
static enum exit_code fail_object(const struct command *command) {
	const char *const *objects = command->verb->objects;
	const char *name = command->verb->name;
	_cleanup_(freep) char *words = NULL;
	size_t size;
	FILE *text = open_memstream(&words, &size);

	if (!text)
		return verb_fail(command, -ENOMEM);
	for (size_t i = 0; objects[i]; i++)
		fprintf(text, "%s%s", i == 0 ? "" : objects[i + 1] ? ", " : " or ", objects[i]);
	if (fclose(text) != 0)
		return verb_fail(command, -ENOMEM);
	return print_usage(&command->print, "`cpub-agent %s` takes %s; see `cpub-agent %s --help`",
		name, words, name);
}

static enum exit_code take_word(struct command *command, const char *word) {
	if (command->verb && !command->object && take_object(command, word))
		return EXIT_DONE;
	if (command->verb && command->verb->takes)
		return add_text(command, &command->words, word);
	/* Not repeated: the second word may well be a token. */
	if (command->verb && command->verb->objects && !command->object)
		return fail_object(command);
	if (command->verb)
		return print_usage(&command->print,
			"`cpub-agent %s` takes options only; see `cpub-agent %s --help`",
			command->verb->name, command->verb->name);
	for (size_t i = 0; options_verbs[i]; i++) {
		if (strcmp(options_verbs[i]->name, word) == 0) {
			command->verb = options_verbs[i];
			return EXIT_DONE;
		}
	}
	return fail_with_hint(command, "unknown verb", word, (int) strnlen(word, 32));
}

static enum exit_code take_color(struct command *command) {
	const char *color = command->color ? command->color : "auto";

	if (strcmp(color, "auto") == 0)
		print_init(&command->print, PRINT_COLOR_AUTO);
	else if (strcmp(color, "always") == 0)
		print_init(&command->print, PRINT_COLOR_ALWAYS);
	else if (strcmp(color, "never") == 0)
		print_init(&command->print, PRINT_COLOR_NEVER);
	else
		return print_usage(&command->print, "--color takes auto, always or never");
	return EXIT_DONE;
}

static enum exit_code take_timeout(struct command *command) {
	char *end;
	long seconds;

	if (!command->timeout)
		return EXIT_DONE;
	errno = 0;
	seconds = strtol(command->timeout, &end, 10);
	if (errno != 0 || end == command->timeout || *end || seconds < 1 ||
		seconds > TIMEOUT_MAX_SEC)
		return print_usage(
			&command->print, "--timeout takes a number of seconds from 1 to 86400");
	command->timeout_usec = (uint64_t) seconds * 1000000;
	return EXIT_DONE;
}

/* Before the rest, so that a mistake in front of it is told as JSON too. */
static void find_json(int argc, char **argv, struct command *command) {
	for (int i = 1; i < argc; i++)
		command->print.is_json = command->print.is_json || strcmp(argv[i], "--json") == 0;
}

/* One word, or two where a text belongs to the first. */
static enum exit_code take(struct command *command, struct line *line, bool are_over) {
	const char *word = line->words[line->at];

	if (!are_over && strncmp(word, "--", 2) == 0)
		return take_long(command, line);
	if (!are_over && word[0] == '-')
		return take_letters(command, line);
	return take_word(command, word);
}

enum exit_code options_parse(int argc, char **argv, struct command *command) {
	struct line line = {.n = argc, .words = argv, .at = 1};
	bool are_over = false; /* the options, as "--" was there */
	enum exit_code code = EXIT_DONE;

	command->argc = argc;
	command->argv = argv;
	find_json(argc, argv, command);
	for (; line.at < line.n && code == EXIT_DONE; line.at++) {
		if (!are_over && strcmp(line.words[line.at], "--") == 0)
			are_over = true;
		else
			code = take(command, &line, are_over);
	}
	if (code == EXIT_DONE)
		code = take_color(command);
	return code == EXIT_DONE ? take_timeout(command) : code;
}
