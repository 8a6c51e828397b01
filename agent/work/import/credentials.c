/*
 * What cargo reads (cargo, GlobalContext::load_credentials and auth::
 * RegistryConfig): `registry.token` for crates.io, `registries.NAME.token`, the
 * same with `secret-key`, and `token` at the top in files of its first years.
 */

#include "credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/names.h"
#include "protocol/toml.h"

/* The walk over one text. */
struct walk {
	const struct toml_document *document;
	const char *text;
	size_t size;
	credential_found_t found;
	void *userdata;
};

static void wipe_text(char **text) {
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

/* A name that is no bare key stands in quotes; one with a quote in it nobody can ask for. */
static bool name_is_bare(const char *name) {
	static const char bare[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return name[0] != '\0' && name[strspn(name, bare)] == '\0';
}

/* One entry of a table, if it is there. `table` is the table's path, NULL for the top. */
static int walk_entry(struct walk *walk, const char *table, const char *name, const char *word) {
	_cleanup_(freep) char *key = NULL;
	_cleanup_(freep) char *header = NULL;
	_cleanup_(wipe_text) char *value = NULL;
	struct credential credential = {
		.name = name, .is_asymmetric = strcmp(word, "token") != 0};
	struct token_entry entry = {.key = word};
	int r;

	if (asprintf(&key, "%s%s%s", table ? table : "", table ? "." : "", word) < 0)
		return -ENOMEM;
	if (table && asprintf(&header, "[%s]", table) < 0)
		return -ENOMEM;
	entry.line = toml_line(walk->document, key);
	if (entry.line == 0)
		return 0;
	r = toml_get_string(walk->document, key, &value);
	if (r == -ENOMEM)
		return r;
	entry.value = value; /* NULL for what is no text: told, but never simple. */
	entry.header = header;
	entry.header_line = table ? toml_line(walk->document, table) : 0;
	if (!token_line_find(walk->text, walk->size, &entry, &credential.place))
		return 0;
	credential.key = key;
	credential.line = entry.line;
	return walk->found(&credential, walk->userdata);
}

static int walk_table(struct walk *walk, const char *table, const char *name) {
	int r = walk_entry(walk, table, name, "token");

	return r < 0 ? r : walk_entry(walk, table, name, "secret-key");
}

static int walk_registries(struct walk *walk) {
	_cleanup_(toml_strings_freep) char **names = NULL;
	int r = toml_get_keys(walk->document, "registries", &names);

	if (r == -ENOMEM)
		return r;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		_cleanup_(freep) char *table = NULL;
		const char *quote = name_is_bare(names[i]) ? "" : "\"";

		if (asprintf(&table, "registries.%s%s%s", quote, names[i], quote) < 0)
			return -ENOMEM;
		r = walk_table(walk, table, names[i]);
	}
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

int credentials_walk(const struct toml_document *document, const char *text, size_t size,
	credential_found_t found, void *userdata) {
	struct walk walk = {document, text, size, found, userdata};
	int r;

	/* cargo heeds the one at the top only where there is no such table. */
	r = walk_table(&walk, "registry", CRATES_IO_NAME);
	if (r == 0)
		r = walk_entry(&walk, NULL, CRATES_IO_NAME, "token");
	return r < 0 ? r : walk_registries(&walk);
}
