#pragma once

/* Licence expressions ("MIT OR Apache-2.0"), as SPDX writes them. */

/*
 * Whether it has the form of one; a slash between two is an `or`, too. 0 and the first
 * name in *ret that is not a common one (caller frees; NULL if all are), -EINVAL if it
 * is none, -ENOMEM. The whole list of SPDX is the registry's to know.
 */
int licence_check(const char *text, char **ret);
