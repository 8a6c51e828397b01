#pragma once

/* What a crate depends on, in the order in which cargo tells a registry of it. */

#include <stdbool.h>
#include <stddef.h>

struct fault;
struct lines;
struct manifest;

struct dependency {
	char *name;	   /* of the crate there */
	char *local_name;  /* of its table, where it is renamed; else NULL */
	char *requirement; /* as cargo prints it */
	char *target;	   /* as cargo prints it; NULL: every platform */
	char *registry;	   /* URL of its index, if that is not the one published to; or NULL */
	char *for_target;  /* of a program that is depended on; or NULL */
	char **artifacts;  /* kinds of programs; NULL if it is no such dependency */
	char **features;
	const char *kind;
	bool is_optional;
	bool has_default_features;
	bool is_library;
};

struct dependencies {
	struct dependency *list;
	size_t n;
	size_t n_room;
};

/*
 * Reads all that the manifest has, to be published to the registry of that canonical
 * index URL. Fills *all, which dependencies_done ends in any case. 0, or a negative
 * errno, -EBADMSG with a fault.
 */
int dependencies_read(const struct manifest *manifest, const char *index_url,
	struct dependencies *all, struct fault *fault);
void dependencies_done(struct dependencies *all);

/*
 * The names of those in the same registry, each once, sorted, a line each; caller frees.
 * NULL if there are none. 0 or a negative errno.
 */
int dependencies_names(const struct dependencies *all, char **ret);
