#pragma once

/* Version requirements of dependencies ("1.0", ">=1, <2"), as the semver crate reads them. */

/*
 * Prints it as cargo does, which tells it to registries in that form: "^1.0" for "1.0".
 * 0 and *ret (caller frees), -EINVAL if it is none, -ENOMEM.
 */
int requirement_print(const char *text, char **ret);
