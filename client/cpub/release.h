#pragma once

/* A crate and perhaps its version, as they stand on the command line: `demo`, `demo@1.0.0`. */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct command;

struct release {
	char *crate;
	char *version; /* NULL where the word has none */
};

/* EXIT_DONE and *ret (done with release_done), or it says what is wrong with the word. */
enum exit_code release_parse(const struct command *command, const char *word, struct release *ret);
void release_done(struct release *release);
