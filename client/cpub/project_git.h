#pragma once

/*
 * What a git repository around a package, or inside, can make cargo run while it
 * looks whether all is committed.
 */

struct workspace;

/*
 * 0; -EPERM with a sentence in *ret_error (caller frees) that names the file; -ECANCELED after a
 * stop; -ENOMEM.
 */
int project_git_check(const struct workspace *workspace, char **ret_error);
