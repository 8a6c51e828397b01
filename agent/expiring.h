#pragma once

/*
 * The accounts whose told expiry comes first, kept from one look through the
 * store to the next change of it: opening ten thousand records takes a second.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer;
struct store;

/* More than these, and `list` tells it all. */
#define EXPIRING_MAX 16

struct expiring {
	bool is_known;
	uint64_t generation; /* of the store, when it was looked through */
	size_t n;
	struct expiring_account {
		char *url;
		char *name; /* as the person gave it */
		int64_t expires;
	} list[EXPIRING_MAX]; /* the soonest first */
};

/* Writes those of which a person is to be warned by now; none while the store is locked. */
void expiring_write(
	struct expiring *expiring, const struct store *store, struct json_writer *writer);
/* Forgets all: at a lock, and at the end. */
void expiring_done(struct expiring *expiring);
