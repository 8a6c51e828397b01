#pragma once

/*
 * Options and verb of the command line. Names are taken in full only: what
 * is short for one option today could be short for another tomorrow.
 */

#include "verb.h"

/* All verbs, in the order of the help text; the end has no entry. */
extern const struct verb *const options_verbs[];
/* The options of every verb; the end has no name. */
extern const struct verb_option options_globals[];

/*
 * Fills the command. Returns EXIT_DONE, or EXIT_USAGE after it has said what is wrong. The
 * value of an option is never repeated in a message: it may be a secret
 * that was put there by mistake.
 */
enum exit_code options_parse(int argc, char **argv, struct command *command);

/* The help text of the verb, or of the program. */
void options_help(const struct verb *verb);
