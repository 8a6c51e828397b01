#pragma once

/* The platform of a `[target.'…']` table: a triple, or an expression in `cfg(…)`. */

/*
 * Prints it as cargo does, which tells it to registries in that form: with its own blanks.
 * 0 and *ret (caller frees), -EINVAL if it is none, -ENOMEM.
 */
int platform_print(const char *text, char **ret);
