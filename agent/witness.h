#pragma once

/*
 * After a publish through cargo: is what the index lists what was approved?
 * cargo sends the bytes itself, so only the index can tell. A witness looks
 * from time to time, for ten minutes at most, and ends itself.
 */

#include "agent/peer.h"
#include "protocol/cleanup.h"

struct agent;
struct witness;

/* More at once than this are not watched; a workspace has fewer crates. */
#define WITNESSES_MAX 64

/* Texts are borrowed. */
struct release {
	const char *url;
	const char *account;
	const char *crate;
	const char *version;
	const char *checksum;
};

/*
 * `cargo` and `terminal` are duplicated; the terminal is let go when cargo
 * ends. The agent owns the witness. 0 (also where the index is not to be
 * asked: git), -EBUSY, or another negative errno.
 */
int witness_new(struct agent *agent, const struct release *release, const struct peer *cargo,
	int terminal);
/* The store locks: questions under way, which may carry a token for reads, end. */
void witness_lock_all(struct agent *agent);
struct witness *witness_free(struct witness *witness);
DEFINE_CLEANUP(struct witness, witness_free)
