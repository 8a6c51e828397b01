#include <errno.h>

#include "cargo_config.h"
#include "doctor.h"
#include "finding.h"
#include "protocol/json.h"
#include "setup.h"
#include "verb.h"

#define SCHEMA 1

static enum exit_code print_writer(const struct command *command, struct json_writer *writer) {
	int r = json_writer_finish(writer);

	if (r == 0)
		fwrite(json_writer_bytes(writer), 1, writer->size, stdout);
	json_writer_done(writer);
	return r < 0 ? verb_fail(command, r) : EXIT_DONE;
}

static enum exit_code show_json(const struct setup *setup) {
	struct json_writer writer;

	json_writer_init(&writer, false);
	json_write_object(&writer, NULL);
	json_write_integer(&writer, "schema", SCHEMA);
	json_write_string(&writer, "file", setup->path);
	json_write_string(&writer, "entry", setup->entry);
	json_write_bool(&writer, "changed", setup->has_changed);
	json_write_bool(&writer, "backup", setup->has_backup);
	json_write_object_end(&writer);
	return print_writer(setup->command, &writer);
}

static enum exit_code show(const struct setup *setup) {
	const struct print *print = &setup->command->print;

	if (print->is_json)
		return show_json(setup);
	if (print->is_quiet)
		return EXIT_DONE;
	if (setup->entry)
		print_line("%s", setup->has_changed ? "cargo now asks cpub-agent first."
						    : "cargo's file has our entry already.");
	else
		print_line("%s", setup->has_changed ? "Our entry is gone from cargo's file."
						    : "There was nothing to undo.");
	print_row(print, "file", PRINT_PLAIN, "%s", setup->path);
	if (setup->entry)
		print_row(print, "entry", PRINT_PLAIN, "%s", setup->entry);
	if (setup->has_backup)
		print_row(print, "backup", PRINT_PLAIN, "%s" CONFIG_SWAP_BACKUP, setup->path);
	return EXIT_DONE;
}

/* What stands against it in this folder: a project, a variable, a registry's own key. */
static void show_obstacles(const struct command *command) {
	_cleanup_(findings_done) struct findings findings = {0};
	_cleanup_(cargo_config_freep) struct cargo_config *config = doctor_load_config(&findings);

	if (config)
		doctor_providers(&findings, config);
	for (size_t i = 0; i < findings.n; i++) {
		if (findings.items[i].level != FINDING_OK)
			print_note(&command->print, "%s %s", findings.items[i].id,
				findings.items[i].text);
	}
}

static enum exit_code check(const struct command *command) {
	_cleanup_(findings_done) struct findings findings = {0};
	_cleanup_(cargo_config_freep) struct cargo_config *config = doctor_load_config(&findings);
	enum exit_code code = EXIT_DONE;
	struct json_writer writer;
	bool uses;

	if (config)
		doctor_providers(&findings, config);
	if (findings.is_broken)
		return verb_fail(command, -ENOMEM);
	uses = findings_count(&findings, FINDING_BAD) == 0;
	if (command->print.is_json) {
		json_writer_init(&writer, false);
		json_write_object(&writer, NULL);
		json_write_integer(&writer, "schema", SCHEMA);
		json_write_bool(&writer, "uses", uses);
		findings_write(&findings, &writer);
		json_write_object_end(&writer);
		code = print_writer(command, &writer);
	} else {
		findings_show(&findings, &command->print);
	}
	return code == EXIT_DONE && !uses ? EXIT_FAILED : code;
}

static enum exit_code run(struct command *command) {
	_cleanup_(setup_done) struct setup setup = SETUP_NULL;
	enum exit_code code;

	if (!command->object)
		return print_usage(
			&command->print, "what is to be set up? `cpub-agent setup cargo`");
	if (command->check && command->undo)
		return print_usage(&command->print, "--check and --undo exclude each other");
	if (command->account && (command->check || command->undo))
		return print_usage(
			&command->print, "--account goes with neither --check nor --undo");
	code = verb_check_registry(command);
	if (code != EXIT_DONE)
		return code;
	if (command->check)
		return check(command);
	code = command->undo ? setup_undo(&setup, command)
			     : setup_make(&setup, command, command->account);
	if (code == EXIT_DONE)
		code = show(&setup);
	if (code == EXIT_DONE && !command->undo)
		show_obstacles(command);
	return code;
}

static const struct verb_option options[] = {
	{"check", 0, OPTION_FLAG, offsetof(struct command, check)},
	{"undo", 0, OPTION_FLAG, offsetof(struct command, undo)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{NULL, 0, OPTION_FLAG, 0},
};

static const char *const objects[] = {"cargo", NULL};

const struct verb verb_setup = {
	.name = "setup",
	.summary = "Make cargo ask cpub-agent for tokens",
	.help = "Usage: cpub-agent setup cargo [--account NAME]\n"
		"       cpub-agent setup cargo --check | --undo\n"
		"\n"
		"Puts cargo-credential-cpub last in registry.global-credential-providers of your "
		"own\n"
		"$CARGO_HOME/config.toml, so that cargo asks it first, and keeps all else in that\n"
		"file. Providers that are there stay; where there is no list, cargo:token is put\n"
		"before ours, as cargo uses it then, so that registries which cpub-agent does not\n"
		"keep go on as before. When all tokens are kept here, take cargo:token out of the\n"
		"list. The file as it was is kept in config.toml.cpub-backup, unless there is a\n"
		"token in it. A file that cannot be changed surely is left alone; the lines to "
		"put\n"
		"are shown instead, and the exit code is 1.\n"
		"\n"
		"  --account NAME  The account that cargo uses (the one named 'default' else)\n"
		"  --check         Change nothing; say whether cargo asks cpub-agent, for each\n"
		"                  registry, in the current folder. Ends with 1 if it does not\n"
		"  --undo          Put the file back as it was, or take our entry out of it if it\n"
		"                  was changed since\n",
	.objects = objects,
	.options = options,
	.run = run,
};
