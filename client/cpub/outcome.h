#pragma once

/*
 * What became of acts at a registry, as the agent tells each: an `outcome`, and where that
 * is not `done`, why, in our words and in the registry's, and when to try again.
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/refusal.h"

struct command;
struct json;

/* Of several acts. {0} to begin with. */
struct outcomes {
	size_t n;
	size_t n_done;
	/* That of the first one that failed. */
	enum exit_code code;
};

/* Counts one. True if it is done. */
bool outcomes_add(struct outcomes *outcomes, const struct json *result);
/* EXIT_DONE if all are done, EXIT_PARTLY if some are, else that of the first that failed. */
enum exit_code outcomes_exit_code(const struct outcomes *outcomes);

/* What a refusal by its name exits with; `otherwise` for none, or one that we do not know. */
enum exit_code outcome_exit_code(const char *code, enum exit_code otherwise);

/* Says on standard error what became of `what`, which is not done. */
void outcome_complain(const struct command *command, const struct json *result, const char *what);
