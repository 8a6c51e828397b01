#pragma once

/*
 * The files in which cargo keeps tokens: `credentials`, and `credentials.toml`.
 * They are opened to be lent, and never read here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define CREDENTIALS_FILES_MAX 2

struct credentials_file {
	char *path;
	int fd; /* open for reading */
	/* As it was when it was opened. */
	struct stat status;
	/* The path names another file. */
	bool is_link;
};

struct cargo_credentials {
	struct credentials_file files[CREDENTIALS_FILES_MAX];
	size_t n_files;
};

/*
 * Opens what there is in `home` ($CARGO_HOME), the one that cargo uses first.
 * Returns 0 and *ret (done with cargo_credentials_done), -EINVAL with a sentence
 * in *ret_error (caller frees) for what is no regular file of ours, or -ENOMEM.
 */
int cargo_credentials_open(
	const char *home, struct cargo_credentials *ret, char **ret_error);
void cargo_credentials_done(struct cargo_credentials *credentials);
