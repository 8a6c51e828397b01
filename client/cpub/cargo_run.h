#pragma once

/*
 * Runs cargo for the person whose command line this is: on their terminal, in
 * their environment, but without the token of the registry that the agent
 * publishes to, with our provider for that one, and with no descriptor of ours.
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"

struct command;

/* Words of a command line. A failure sticks, and is told by cargo_run. */
struct arguments {
	char **items; /* NULL behind the last */
	size_t n;
	bool has_failed;
};

void arguments_add(struct arguments *arguments, const char *text);
__attribute__((format(printf, 2, 3))) void arguments_format(
	struct arguments *arguments, const char *format, ...);
void arguments_done(struct arguments *arguments);

struct cargo {
	const struct command *command;
	char *program;
	/* The registry's name in cargo's files; NULL for none. Borrowed. */
	const char *registry_name;
	/* Variables with tokens that it gets: see cargo_token.h. Until then it gets none. */
	struct arguments other_tokens;
	/* A file of the project names a compiler, which must not run while nothing is approved. */
	bool has_foreign_rustc;
	/* A file of the project sets variables for it: then none runs at all meanwhile. */
	bool has_foreign_variables;
	/* It knows no `cargo package --registry`. */
	bool is_old;
};

enum cargo_trust {
	/*
	 * Nothing of the project may run. To learn the version of rustc, cargo starts the
	 * wrappers and the compiler that the project's configuration names (resolver 3,
	 * measured with 1.95), unless the environment says otherwise: then it does.
	 */
	CARGO_ALONE,
	/* Build scripts, macros, wrappers, as for any build. */
	CARGO_BUILDS,
};

/* $CARGO, or the first in PATH: 0 and *ret (caller frees), -ENOENT, -ENOMEM. */
int cargo_find(char **ret);

/*
 * Runs it to its end. `work` is where it puts its own intermediate files, NULL for where it always
 * does. With `ret_output` its standard output is kept there (caller frees, a NUL behind it), else
 * it goes to our standard error. Returns its exit status, 128 and the number of the signal that
 * ended it, -ECANCELED after a stop (then it and all that it started are gone), -E2BIG for an
 * output over 64 MiB, or another negative errno.
 */
int cargo_run(const struct cargo *cargo, struct arguments *arguments, enum cargo_trust trust,
	const char *work, char **ret_output, size_t *ret_size);
