#pragma once

/*
 * Which registry a command means: `--registry NAME` as cargo would resolve it,
 * `--index URL`, or crates.io, which is built in.
 */

#include "protocol/cleanup.h"
#include "protocol/request.h"

struct cargo_config;

struct registry {
	char *index_url;
	char *name; /* NULL for --index */
	enum url_source source;
	char *file; /* the file or variable that names it; NULL for URL_SOURCE_GIVEN */
};

/*
 * `name` and `index` may be NULL, not both given. `config` is needed for a name
 * other than "crates-io" only, and may be NULL else. Returns 0 and *ret (done with
 * registry_done), -EINVAL with a sentence in *ret_error (caller frees), -ENOMEM.
 */
int registry_resolve(const char *name, const char *index, const struct cargo_config *config,
	struct registry *ret, char **ret_error);

/*
 * The same for a name alone, looked up in the user's own files and nowhere else:
 * -ENOENT, without a sentence, if they do not have it.
 */
int registry_resolve_own(const char *name, const struct cargo_config *config, struct registry *ret,
	char **ret_error);

/*
 * The one that cargo takes where none is named: CARGO_REGISTRY_DEFAULT, or `registry.default` of
 * its files. Its source and file are those of whoever says that it is the default, unless that is
 * the person and another says where it is. -ENOENT, without a sentence, if there is no default.
 */
int registry_resolve_default(
	const struct cargo_config *config, struct registry *ret, char **ret_error);
void registry_done(struct registry *registry);

/* True if resolving this needs cargo's configuration files. */
bool registry_needs_config(const char *name);
