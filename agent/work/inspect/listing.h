#pragma once

/*
 * What lies in a crate file: every name below its one top folder, sorted, each once.
 * Names are checked as they come; those that could mean two things are faults.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/work/sha256.h"

struct fault;
struct lines;
struct tar_entry;

struct listing_entry {
	char *name; /* below the top folder */
	bool is_folder;
	uint64_t size;
	unsigned char sum[SHA256_SIZE]; /* of a file, if the reader filled it in */
};

struct listing {
	char *top; /* the folder that all names begin with; NULL as long as there are none */
	struct listing_entry *entries;
	size_t n;
	size_t n_room;
	size_t n_name_bytes;
	uint64_t n_bytes; /* of all files */
};

void listing_done(struct listing *listing);

/* Adds a copy. 0 and the entry, or NULL for the top folder itself; or a negative errno. */
int listing_add(struct listing *listing, const struct tar_entry *entry, struct listing_entry **ret,
	struct fault *fault);

/* When all are there: sorts them, and looks for names that get into each other's way. */
int listing_finish(struct listing *listing, struct fault *fault);

/* The entry of that name, of a finished listing; NULL if there is none. */
const struct listing_entry *listing_find(const struct listing *listing, const char *name);
bool listing_has_file(const struct listing *listing, const char *name);

/* The order of a finished listing: as strcmp, with what lies in a folder right behind it. */
int listing_compare_names(const char *a, const char *b);

/* Warns of names that some systems take for one, or do not have. 0 or -ENOMEM. */
int listing_warn(const struct listing *listing, struct lines *warnings);
