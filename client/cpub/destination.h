#pragma once

/*
 * Where a token is to go, as cargo would find it: the registry that the command
 * names, and a private CA and a proxy on the way to it.
 */

#include "protocol/refusal.h"

struct command;
struct json;
struct registry;
struct request;

/*
 * Puts index, name and their source, CA and proxy into the request. Returns EXIT_DONE, or the
 * exit code after it has said what is wrong.
 */
enum exit_code destination_fill(const struct command *command, struct request *request);

/* Index and name alone, for what goes where the account was pinned to. */
enum exit_code destination_registry(const struct command *command, struct request *request);

/*
 * For an act at a registry, which goes to cargo's default where none is named: puts index,
 * name and account into the request, asks, and has the answer judged (verb_run_judged).
 */
enum exit_code destination_run(struct command *command, struct request *request,
	enum exit_code (*judge)(const struct command *command, const struct json *ok));

/* Says that it is the default, and who made it that. */
void destination_tell_default(const struct command *command, const struct registry *registry);
