#pragma once

/*
 * Which credential providers cargo runs for a registry, in the current folder
 * and environment, and who says so (cargo, src/util/auth/mod.rs,
 * credential_provider and resolve_credential_alias). Found in the files alone:
 * cargo itself is not run.
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"
#include "protocol/request.h"

struct cargo_config;

#define CARGO_PROVIDER_NAME "cargo-credential-cpub"
#define CARGO_PROVIDER_TOKEN "cargo:token"
#define CARGO_PROVIDER_KEY "cargo:paseto"
#define CARGO_PROVIDER_LIST "registry.global-credential-providers"

struct cargo_provider {
	/* What cargo runs, made absolute if it holds a slash; then the command, for people. */
	char *program;
	char *command;
	bool has_arguments;
	enum url_source source;
	/* The file or variable, borrowed from neither; NULL for what cargo has built in. */
	char *from;
	/* The file or variable of the alias that gave the program; NULL without one. */
	char *alias;
	enum url_source alias_source;
	/* It is the program that lies beside this one. */
	bool is_ours;
};

struct cargo_providers {
	/* In the order in which cargo asks them. */
	struct cargo_provider *items;
	size_t n;
	/* One of a list for all registries, not the registry's own. */
	bool is_list;
	/* Nobody has configured one. */
	bool is_default;
};

/*
 * `name` is the registry's name, "crates-io" among them. Returns 0 and *ret
 * (done with cargo_providers_done), -EINVAL with a sentence in *ret_error
 * (caller frees) where cargo itself would fail, -ENOMEM.
 */
int cargo_providers_find(const struct cargo_config *config, const char *name,
	struct cargo_providers *ret, char **ret_error);
void cargo_providers_done(struct cargo_providers *providers);

/* The value of the variable that cargo reads for "registries.my-reg.token"; NULL if unset. */
const char *cargo_variable(const char *key, char **ret_name);

/*
 * The absolute path of the provider that lies beside this program, as it was
 * started. 0 and *ret (caller frees), -ENOENT if it is not there, -ENOMEM.
 */
int cargo_provider_find_ours(char **ret);

/* True if cargo would find that one under this name in a file whose relative paths start at `root`. */
bool cargo_provider_is_ours(const char *program, const char *root);
