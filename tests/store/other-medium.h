#pragma once

/*
 * A second lasting medium, "other": a vault in the folder "other" of the same
 * home, for moves from one to the other. It stands in for agent/store/media.c
 * in the programs that link it, and fails where a test wants it to.
 */

#include "agent/store/medium.h"

struct faults {
	int save; /* a negative errno: it is told, and nothing is saved */
	int load;
	int erase;
	bool lies; /* what is loaded lacks a record */
};

/* For "other", and for the vault itself. */
extern struct faults other_faults, vault_faults;

/* The path of a file there; borrowed until the next call. */
const char *other_path(const char *name);
