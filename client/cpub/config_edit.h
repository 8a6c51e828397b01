#pragma once

/*
 * The one change that we make in a file of cargo's configuration: our entry,
 * last in registry.global-credential-providers, put in or taken out. Found in
 * the text itself, so that all other bytes stay as they are; only where the
 * file says it in the usual way.
 */

#include <stdbool.h>
#include <stddef.h>

struct toml_document;
struct veiled;

/* The bytes from `from` to `to` become the text. */
struct config_edit {
	size_t from;
	size_t to;
	char *text;
};

/*
 * Puts `entry` at the end of the list and takes out every other entry of our
 * provider; with `token`, a list that is not there begins with cargo:token.
 * Returns 0 and *ret (done with config_edit_done), -EALREADY if it is so
 * already, -ENOTSUP if the file is written in a way that is not edited, -ENOMEM.
 */
int config_edit_add(const struct veiled *file, const struct toml_document *document,
	const char *entry, bool token, struct config_edit *ret);

/* Takes every entry of our provider out. Returns as config_edit_add, -EALREADY if there is none. */
int config_edit_remove(
	const struct veiled *file, const struct toml_document *document, struct config_edit *ret);
void config_edit_done(struct config_edit *edit);

/* True for an item of the list whose program has the name of our provider. */
bool config_edit_is_ours(const char *item);
