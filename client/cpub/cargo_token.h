#pragma once

/*
 * Tokens in the environment. That of the registry which the agent publishes to can
 * have other names too, whose variables every build script could read, and is of no
 * use to a cargo whose provider is ours. Those of others cargo may need for reads.
 */

#include <stdbool.h>

struct arguments;
struct cargo_config;
struct registry;

/* A variable `NAME=…` that holds a token, or what is as good. */
bool cargo_token_is(const char *entry);

/*
 * Appends the names of those that are of another registry, as is known by its index. 0 or -ENOMEM;
 * a failure to append sticks to *names.
 */
int cargo_tokens_find_others(const struct cargo_config *config, const struct registry *registry,
	struct arguments *names);
