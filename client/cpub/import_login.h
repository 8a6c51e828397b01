#pragma once

/*
 * One token of cargo's to the store: the agent takes it from where it is, by a
 * login of its own.
 */

#include <stdbool.h>

#include "protocol/refusal.h"

struct cargo_config;
struct command;
struct import_list;
struct import_source;
struct import_token;

struct import_login {
	struct command *command;
	const struct import_source *source;
	const struct cargo_config *config;
	const struct import_list *list;
	/* The store, or the person who opens it, is in the way of all that would follow. */
	bool is_hopeless;
	bool has_noted;
};

/*
 * Stores the token, or with --dry-run only looks where it belongs. What became
 * of it stands in the token. Anything but EXIT_DONE is a failure that ends the
 * import, and has been said.
 */
enum exit_code import_login_try(struct import_login *login, struct import_token *token);
