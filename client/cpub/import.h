#pragma once

/*
 * One import under way, and the sources that there are: cargo's files
 * (import_files.c) and cargo's items in the keyring (import_keyring.c). Neither
 * brings a token in here.
 */

#include "cargo_credentials.h"
#include "import_list.h"

struct cargo_config;
struct import;
struct registry;

struct import_source {
	/* As in --from. */
	const char *name;
	/* Fills the list. Anything but EXIT_DONE ends the import, and has been said. */
	enum exit_code (*find)(struct import *import);
	/*
	 * Which registry a token belongs to: 0 and *ret (done with registry_done), -ENOENT
	 * where the token says why not, -ENOMEM.
	 */
	int (*resolve)(const struct cargo_config *config, struct import_token *token,
		struct registry *ret);
	/* Takes out what is stored. As find; what could not be done is a problem. */
	enum exit_code (*wipe)(struct import *import);
	/* Tells people what the wiping came to, and that there is nothing. */
	void (*show_wiped)(const struct import *import);
	void (*show_empty)(const struct import *import);
};

extern const struct import_source import_files;
extern const struct import_source import_keyring;

struct import {
	struct command *command;
	const struct import_source *source;
	struct cargo_config *config;
	struct cargo_credentials credentials; /* of import_files */
	struct import_list list;
	/* What went wrong, but for the tokens that say it themselves. */
	char **problems;
	size_t n_problems;
};

/* Text for people comes while it happens, JSON at the end. */
bool import_speaks(const struct import *import);
/* Takes the sentence over; NULL stands for no memory. 0 or -ENOMEM. */
int import_complain(struct import *import, char *problem);
