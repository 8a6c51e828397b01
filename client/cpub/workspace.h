#pragma once

/*
 * What `cargo metadata` tells of the packages here, without their dependencies:
 * no network, no compiler, nothing of the project runs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"

struct command;
struct json;

struct workspace {
	struct json *metadata;
	/* Borrowed from it; never NULL after workspace_read. */
	const char *root;
	const char *target;
};

/* 0, or -EBADMSG for what is no metadata, -ENOMEM. Done with workspace_done. Spoils the text. */
int workspace_read(char *text, size_t size, struct workspace *ret);
void workspace_done(struct workspace *workspace);

/*
 * The one registry that all packages are for that the command chooses, by their manifests; NULL
 * if there is none.
 */
const char *workspace_registry(const struct workspace *workspace, const struct command *command);

/*
 * Walks the names of registries that these packages are for, if they are for some only: the next
 * package after *index, which starts at 0, NULL at the end. The names are an array.
 */
const char *workspace_next_bound(const struct workspace *workspace, const struct command *command,
	size_t *index, const struct json **ret_names);

/*
 * Walks the members that `publish = false` keeps here, or the others: the next name
 * after *index, which starts at 0, NULL at the end. With `is_default` only those that cargo
 * takes where none is named.
 */
const char *workspace_next(
	const struct workspace *workspace, bool is_private, bool is_default, size_t *index);

/* The manifest of each member: the next path after *index, NULL at the end. */
const char *workspace_next_manifest(const struct workspace *workspace, size_t *index);

/* cargo was not called for one package, but for the top of a workspace without one of its own. */
bool workspace_is_virtual(const struct workspace *workspace);
