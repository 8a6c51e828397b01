#pragma once

/*
 * The crates of one publish, from the file that cargo packaged to what the
 * registry said of it; and in which order they go.
 */

#include <stdbool.h>
#include <stddef.h>

#include "verb.h"

/* As many as the agent takes on one connection. */
#define PARCELS_MAX 128

enum parcel_state {
	PARCEL_HERE,	/* nothing has left this machine */
	PARCEL_UP,	/* the registry took it */
	PARCEL_LISTED,	/* it was there already, the same one */
	PARCEL_REFUSED, /* surely not up */
	PARCEL_UNKNOWN, /* it was sent, and nobody knows what came of it */
};

enum parcel_index {
	PARCEL_NOT_ASKED,
	PARCEL_NOT_SHOWN, /* not within the time that the agent waits */
	PARCEL_SHOWN,
};

struct parcel {
	char *path;
	/* What the agent said to it when it was sealed, and when it was sent. */
	struct verb_answer sealed;
	struct verb_answer sent;
	/* Borrowed from `sealed`. */
	const char *name;
	const char *version;
	const struct json *warnings;
	bool is_first;
	bool was_asked; /* the index, whether it is the first */
	bool is_verified;
	bool is_placed; /* it has its place in the order */
	enum parcel_state state;
	enum parcel_index index;
};

struct parcels {
	struct parcel *items;
	size_t n;
};

/*
 * Finds the files NAME.crate in the folder, in the order of their names. 0, -ENOENT for none,
 * -E2BIG for more than PARCELS_MAX, or another negative errno.
 */
int parcels_find(struct parcels *parcels, const char *folder);
int parcels_add(struct parcels *parcels, const char *path);
void parcels_done(struct parcels *parcels);

/*
 * A regular file, by its own name and not by a link, for reading: the descriptor, -ELOOP for a
 * link, -EINVAL for another kind of file, or another negative errno.
 */
int parcel_open(const char *path);

/* NULL if there is none. */
struct parcel *parcels_named(const struct parcels *parcels, const char *name);

/* Whether one needs the other, by the manifests that the agent has read. */
bool parcel_needs(const struct parcel *parcel, const struct parcel *other);

/*
 * Brings them into the order in which they go: what others need first, and else by
 * name. Where they need each other in a circle it starts anywhere: false.
 */
bool parcels_order(struct parcels *parcels);
