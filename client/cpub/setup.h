#pragma once

/*
 * Our entry in cargo's own configuration: last in the list of providers, so that
 * cargo asks us first. It has an absolute path and an argument, because a
 * project's [credential-alias] replaces any entry that has none. cargo:token
 * stays where it was, or comes along where the list was cargo's own: registries
 * that we do not keep go on as before.
 */

#include <stdbool.h>

#include "config_swap.h"
#include "protocol/refusal.h"
#include "veil.h"

struct cargo_config;
struct command;
struct toml_document;

/* The file that cargo uses, and what is to be there. Borrows the command. */
struct setup {
	const struct command *command;
	struct cargo_config *config;
	const char *name;
	char *path;
	char *entry;
	struct config_swap swap;
	struct veiled text;
	struct toml_document *document;
	/* Nobody has a list: ours has to begin with what cargo does without one. */
	bool has_default;

	/* What became of it. */
	bool has_changed;
	bool has_backup;
};

#define SETUP_NULL ((struct setup){.swap = CONFIG_SWAP_NULL})

/*
 * Each returns EXIT_DONE, or another code after it has said what is wrong; then
 * the file is as it was. `account` may be NULL. Done with setup_done.
 */
enum exit_code setup_make(struct setup *setup, const struct command *command, const char *account);
/*
 * Puts the backup in place again if nothing but our entry has changed since,
 * removes a file that is ours alone, else takes out our entry.
 */
enum exit_code setup_undo(struct setup *setup, const struct command *command);
void setup_done(struct setup *setup);
