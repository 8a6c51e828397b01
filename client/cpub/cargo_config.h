#pragma once

/*
 * The files of cargo's configuration that hold for the current folder, in the
 * order in which they win: `.cargo/config` (or `config.toml`) of this folder and
 * of each one above it, then $CARGO_HOME; each followed by what it includes,
 * the last include first (cargo reference, "Configuration").
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"
#include "protocol/request.h"

struct toml_document;

struct cargo_file {
	char *path;
	/* Where its relative paths start: the parent of the folder that it lies in. */
	char *root;
	/* URL_SOURCE_USER for $CARGO_HOME and what that includes, else URL_SOURCE_PROJECT. */
	enum url_source source;
	/* credentials.toml, or included by it. */
	bool is_credentials;
	/* Its tokens are hidden: see veil.h. */
	struct toml_document *document;
	/* The first line with what looks like a token outside of a key for one; 0 for none. */
	size_t stray_line;
};

struct cargo_config {
	struct cargo_file *files;
	size_t n_files;
	/* $CARGO_HOME, absolute; NULL when neither it nor HOME is set. */
	char *home;
};

/*
 * Reads them all. Returns 0, -EINVAL (a file cannot be read or is no TOML:
 * *ret_error is a sentence that names the file and the line; caller frees),
 * or another negative errno without a text.
 */
int cargo_config_load(struct cargo_config **ret, char **ret_error);

/*
 * Puts $CARGO_HOME/credentials.toml (or `credentials`) before all of them: when
 * cargo looks for a token it wins over the other files, whatever it sets. No such
 * file is no failure. Returns as cargo_config_load.
 */
int cargo_config_load_credentials(struct cargo_config *config, char **ret_error);
struct cargo_config *cargo_config_free(struct cargo_config *config);
DEFINE_CLEANUP(struct cargo_config, cargo_config_free)
