#pragma once

/*
 * What a checked-out project can make run before anything is approved, and
 * cargo has no way to switch off: a credential provider of its own, variables
 * that make others run something, and a toolchain of its own, whose cargo rustup
 * would start. Also a way of its own to the registries.
 */

#include <stdbool.h>

struct cargo_config;

/*
 * Returns 0; -EPERM with a sentence in *ret_error (caller frees) that names the file; or -ENOMEM.
 * Looks at the files that hold for the current folder and are not the user's own.
 */
int project_check(const struct cargo_config *config, char **ret_error);

/* A file of the project says which rustc to use. */
bool project_has_rustc(const struct cargo_config *config);
/* A file of the project sets variables for rustc. */
bool project_has_variables(const struct cargo_config *config);
