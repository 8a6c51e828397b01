#include "setup.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cargo_config.h"
#include "cargo_provider.h"
#include "config_edit.h"
#include "protocol/names.h"
#include "protocol/toml.h"
#include "verb.h"

static const char handwritten[] = "it is written in a way that cannot be changed surely";

void setup_done(struct setup *setup) {
	setup->config = cargo_config_free(setup->config);
	setup->document = toml_free(setup->document);
	veiled_done(&setup->text);
	config_swap_done(&setup->swap);
	free(setup->path);
	free(setup->entry);
}

/* Words cannot be quoted in the list, and a TOML text needs none of this escaped. */
static bool can_be_entry(const char *program) {
	for (const char *c = program; *c; c++) {
		if (isspace((unsigned char) *c) || iscntrl((unsigned char) *c) || *c == '"' ||
			*c == '\\')
			return false;
	}
	return print_is_utf8(program);
}

/* For what we do not write ourselves: the lines, where a person can copy them. */
static enum exit_code refuse(const struct setup *setup, const char *why) {
	const struct command *command = setup->command;
	_cleanup_(freep) char *message = NULL, *line = NULL;
	const char *others = setup->has_default ? "\"" CARGO_PROVIDER_TOKEN "\"" : "\u2026";
	int r;

	if (asprintf(&message, "'%s' was not touched: %s; %s yourself", setup->path, why,
		    setup->entry ? "put our entry last" : "take our entry out") < 0) {
		message = NULL;
		return verb_fail(command, -ENOMEM);
	}
	r = setup->entry ? asprintf(&line, "global-credential-providers = [%s, \"%s\"]", others,
				   setup->entry)
			 : 0;
	if (r < 0) {
		line = NULL;
		return verb_fail(command, -ENOMEM);
	}
	print_error(&command->print, "configuration", message, line);
	if (line && !command->print.is_json) {
		print_line("[registry]");
		print_line("%s", line);
	}
	return EXIT_FAILED;
}

static enum exit_code find_entry(struct setup *setup, const char *account) {
	const struct command *command = setup->command;
	_cleanup_(freep) char *program = NULL;
	int r = cargo_provider_find_ours(&program);

	if (r == -ENOMEM)
		return verb_fail(command, r);
	if (r < 0) {
		print_error(&command->print, "configuration",
			CARGO_PROVIDER_NAME " is not beside cpub-agent; install both again", NULL);
		return EXIT_FAILED;
	}
	if (!can_be_entry(program)) {
		print_error(&command->print, "configuration",
			"cargo's list of providers cannot hold a path with spaces, quotes or "
			"control bytes; install cpub-agent elsewhere, or name it for each "
			"registry: credential-provider = [\"PATH\", \"--account\", \"NAME\"]",
			program);
		return EXIT_FAILED;
	}
	if (asprintf(&setup->entry, "%s --account %s", program, account ? account : ACCOUNT_DEFAULT) < 0) {
		setup->entry = NULL;
		return verb_fail(command, -ENOMEM);
	}
	return EXIT_DONE;
}

static bool is_empty(const struct cargo_config *config) {
	for (size_t i = 0; i < config->n_files; i++) {
		size_t n = 0;

		if (config->files[i].source == URL_SOURCE_USER &&
			toml_get_size(config->files[i].document, CARGO_PROVIDER_LIST, &n) == 0 &&
			n > 0)
			return false;
	}
	return true;
}

/* $CARGO_HOME/config where there is one, as cargo does. */
static enum exit_code find_file(struct setup *setup) {
	const struct command *command = setup->command;
	_cleanup_(freep) char *error = NULL;
	int r = cargo_config_load(&setup->config, &error);

	if (r == 0)
		r = cargo_config_load_credentials(setup->config, &error);
	if (r < 0)
		return verb_fail_configuration(command, r, error);
	if (!setup->config->home) {
		print_error(&command->print, "configuration",
			"neither CARGO_HOME nor HOME is set; set one", NULL);
		return EXIT_USAGE;
	}
	setup->has_default = is_empty(setup->config);
	if (asprintf(&setup->path, "%s/config", setup->config->home) < 0) {
		setup->path = NULL;
		return verb_fail(command, -ENOMEM);
	}
	setup->name = "config";
	if (access(setup->path, F_OK) == 0)
		return EXIT_DONE;
	free(setup->path);
	setup->name = "config.toml";
	if (asprintf(&setup->path, "%s/config.toml", setup->config->home) < 0) {
		setup->path = NULL;
		return verb_fail(command, -ENOMEM);
	}
	return EXIT_DONE;
}

static int read_text(const char *path, struct veiled *text, struct toml_document **document) {
	_cleanup_(freep) char *why = NULL;
	int r = veil_read(path, TOML_MAX, text);

	return r < 0 ? r : toml_parse(text->text, text->size, document, &why);
}

/* An absent file is an empty one. */
static int read_file(struct setup *setup) {
	_cleanup_(freep) char *why = NULL;

	if (setup->swap.old_fd >= 0)
		return read_text(setup->path, &setup->text, &setup->document);
	setup->text.text = calloc(1, 1);
	setup->text.kinds = calloc(1, 1);
	if (!setup->text.text || !setup->text.kinds)
		return -ENOMEM;
	return toml_parse("", 0, &setup->document, &why);
}

static enum exit_code open_file(struct setup *setup) {
	int r = config_swap_open(
		setup->config->home, setup->name, setup->entry != NULL, &setup->swap);

	if (r == -ENOMEM)
		return verb_fail(setup->command, r);
	/* Nothing there: nothing to take out. */
	if (r == -ENOENT && !setup->entry)
		return read_file(setup) < 0 ? verb_fail(setup->command, -ENOMEM) : EXIT_DONE;
	if (r < 0)
		return refuse(setup, config_swap_advice(r));
	r = read_file(setup);
	return r < 0 ? verb_fail(setup->command, r) : EXIT_DONE;
}

/* Whether the list of the new file is the old one without our entries, and the entry behind it. */
static bool is_meant(const struct setup *setup, const struct toml_document *document) {
	const char *entry = setup->entry;
	bool token = entry && setup->has_default;
	_cleanup_(toml_strings_freep) char **before = NULL, **after = NULL;
	size_t n = 0;

	if (toml_get_strings(document, CARGO_PROVIDER_LIST, &after) < 0)
		return false;
	(void) toml_get_strings(setup->document, CARGO_PROVIDER_LIST, &before); /* Or none. */
	if ((!before || !before[0]) && token)
		token = after[n] && strcmp(after[n++], CARGO_PROVIDER_TOKEN) == 0;
	else
		token = true;
	for (size_t i = 0; before && before[i]; i++) {
		if (config_edit_is_ours(before[i]))
			continue;
		if (!after[n] || strcmp(after[n++], before[i]) != 0)
			return false;
	}
	if (entry && (!after[n] || strcmp(after[n++], entry) != 0))
		return false;
	return token && !after[n];
}

static bool has_ours(const struct toml_document *document) {
	_cleanup_(toml_strings_freep) char **items = NULL;

	(void) toml_get_strings(document, CARGO_PROVIDER_LIST, &items); /* None is fine. */
	for (size_t i = 0; items && items[i]; i++) {
		if (config_edit_is_ours(items[i]))
			return true;
	}
	return false;
}

/*
 * The file as it was before us is kept once. None with a token in it: a copy
 * would outlive the one that is cleared away later.
 */
static int back_up(struct setup *setup) {
	bool is_there = config_swap_has_backup(&setup->swap);
	int r = 0;

	if (setup->swap.old_fd >= 0 && !setup->text.has_secret && setup->text.stray_line == 0 &&
		(!is_there || !has_ours(setup->document))) {
		r = config_swap_back_up(&setup->swap);
		is_there = r == 0;
	}
	setup->has_backup = is_there;
	return r;
}

/* Writes the new file beside the old one, reads it again, and only then puts it in place. */
static enum exit_code replace(struct setup *setup, const struct config_edit *edit) {
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(veiled_done) struct veiled text = {0};
	_cleanup_(freep) char *path = NULL;
	int r = config_swap_prepare(&setup->swap, edit, &path);

	if (r == 0)
		r = read_text(path, &text, &document);
	if (r == -EBADMSG || (r == 0 && !is_meant(setup, document)))
		return refuse(setup, handwritten);
	if (r == 0 && setup->entry)
		r = back_up(setup);
	if (r == 0)
		r = config_swap_commit(&setup->swap);
	if (r == -ESTALE)
		return refuse(setup, "somebody changed it just now");
	if (r < 0)
		return verb_fail(setup->command, r);
	setup->has_changed = true;
	return EXIT_DONE;
}

static enum exit_code setup_open(struct setup *setup) {
	enum exit_code code = find_file(setup);

	return code == EXIT_DONE ? open_file(setup) : code;
}

enum exit_code setup_make(struct setup *setup, const struct command *command, const char *account) {
	_cleanup_(config_edit_done) struct config_edit edit = {0};
	enum exit_code code;
	int r;

	setup->command = command;
	code = find_entry(setup, account);
	if (code == EXIT_DONE)
		code = setup_open(setup);
	if (code != EXIT_DONE)
		return code;
	r = config_edit_add(&setup->text, setup->document, setup->entry, setup->has_default, &edit);
	if (r == -ENOTSUP)
		return refuse(setup, handwritten);
	if (r == -EALREADY) {
		setup->has_backup = config_swap_has_backup(&setup->swap);
		return EXIT_DONE;
	}
	return r < 0 ? verb_fail(command, r) : replace(setup, &edit);
}

/* What setup_make would have made of a file: 0 and *ret, or a negative errno. */
static int remake(const struct setup *setup, const struct veiled *text,
	const struct toml_document *document, bool token, struct config_edit *ret) {
	_cleanup_(toml_strings_freep) char **items = NULL;
	size_t n = 0;
	int r = toml_get_strings(setup->document, CARGO_PROVIDER_LIST, &items);

	while (r == 0 && items[n])
		n++;
	if (r < 0 || n == 0)
		return r < 0 ? r : -ENOENT;
	return config_edit_add(text, document, items[n - 1], token, ret);
}

/* 1 if the file is the backup and our entry, and nothing else. */
static int is_edited_backup(const struct setup *setup) {
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(veiled_done) struct veiled text = {0};
	_cleanup_(freep) char *path = NULL;
	int r = 0;

	if (asprintf(&path, "%s" CONFIG_SWAP_BACKUP, setup->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (read_text(path, &text, &document) < 0)
		return 0;
	/* With cargo:token or without: the other files may have changed since. */
	for (int token = 0; r == 0 && token < 2; token++) {
		_cleanup_(config_edit_done) struct config_edit edit = {0};

		if (remake(setup, &text, document, token == 1, &edit) == 0)
			r = config_swap_is_edited_backup(&setup->swap, &edit);
	}
	return r;
}

/* Whether the file is what we make where there is none. */
static bool is_ours_alone(const struct setup *setup) {
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(freep) char *why = NULL;
	char nothing[] = "", kinds[] = {VEIL_PLAIN};
	const struct veiled empty = {.text = nothing, .kinds = kinds};

	if (toml_parse("", 0, &document, &why) < 0)
		return false;
	for (int token = 0; token < 2; token++) {
		_cleanup_(config_edit_done) struct config_edit edit = {0};

		if (remake(setup, &empty, document, token == 1, &edit) == 0 &&
			strcmp(edit.text, setup->text.text) == 0)
			return !veiled_hides(&setup->text, 0, setup->text.size);
	}
	return false;
}

static enum exit_code take_out(struct setup *setup) {
	_cleanup_(config_edit_done) struct config_edit edit = {0};
	int r = config_edit_remove(&setup->text, setup->document, &edit);

	if (r == -ENOTSUP)
		return refuse(setup, handwritten);
	return r < 0 ? verb_fail(setup->command, r) : replace(setup, &edit);
}

enum exit_code setup_undo(struct setup *setup, const struct command *command) {
	enum exit_code code;
	int r;

	setup->command = command;
	code = setup_open(setup);
	if (code != EXIT_DONE || !has_ours(setup->document))
		return code;
	r = is_edited_backup(setup);
	if (r > 0)
		r = config_swap_restore(&setup->swap);
	else if (r == 0 && is_ours_alone(setup))
		r = config_swap_remove(&setup->swap);
	else if (r == 0)
		return take_out(setup);
	if (r == -ESTALE)
		return refuse(setup, "somebody changed it just now");
	setup->has_changed = r == 0;
	return r < 0 ? verb_fail(command, r) : EXIT_DONE;
}
