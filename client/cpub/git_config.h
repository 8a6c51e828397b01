#pragma once

/*
 * What a git repository's own configuration says of programs that are run when
 * files are compared with it: the filters.
 */

struct git_filters;

/*
 * The filters of the person's own files, which a repository may set again. Without what those
 * include. NULL without memory; free with git_filters_free.
 */
struct git_filters *git_filters_load_own(void);
struct git_filters *git_filters_free(struct git_filters *own);

/*
 * Looks at one file of a repository, and at what it includes, on whatever condition. 0,
 * also if there is none; -EPERM with a sentence in *ret_error (caller frees); -ENOMEM.
 */
int git_config_check(const char *path, const struct git_filters *own, char **ret_error);
