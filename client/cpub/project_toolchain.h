#pragma once

/*
 * A toolchain that a checked-out project names by its path: rustup would run the
 * cargo that lies there.
 */

/*
 * Looks from the current folder up, as rustup does, unless RUSTUP_TOOLCHAIN says which one is
 * meant. 0; -EPERM with a sentence in *ret_error (caller frees) that names the file; -ENOMEM.
 */
int project_toolchain_check(char **ret_error);
