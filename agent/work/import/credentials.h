#pragma once

/* The secrets in a file of cargo's, `credentials.toml` above all, and where they stand in it. */

#include <stdbool.h>
#include <stddef.h>

#include "token_line.h"

struct toml_document;

struct credential {
	const char *key;  /* the path of the value, as toml.h takes it */
	const char *name; /* the registry's name */
	bool is_asymmetric;
	unsigned line;
	struct token_line place;
};

/* `credential` is borrowed. Returns 0 to go on, or a negative errno. */
typedef int (*credential_found_t)(const struct credential *credential, void *userdata);

/*
 * Calls for each; of several for one registry the one that cargo heeds comes
 * first. Returns 0 at the end, -ENOMEM, or what the callback returned. The text
 * is what the document was parsed from.
 */
int credentials_walk(const struct toml_document *document, const char *text, size_t size,
	credential_found_t found, void *userdata);
