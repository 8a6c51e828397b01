#pragma once

/*
 * Crates that one connection wants to publish: sealed, then approved, then
 * perhaps verified, then sent, each once. It ends with its connection, and what was
 * approved ends with the lock as well.
 *
 *   sealed --propose, and a person's yes--> approved --verify--> verified --publish--> sent
 *                                              |                                        ^
 *                                              +--------- without a verify build -------+
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct account;
struct agent;
struct consignment;
struct route;

/*
 * Crates on one connection, and on all together: each holds two descriptors, so where there
 * are few of those it is fewer.
 */
#define PARCELS_MAX 128
#define PARCELS_ALL_MAX 256
/* How long an approval is good for: a verify build of a workspace takes its time. */
#define APPROVAL_USEC ((uint64_t) 60 * 60 * 1000000)

/* One crate; owned by its consignment. */
struct parcel {
	char *crate, *version;
	char *checksum; /* sha256, hexadecimal */
	char *needs;	/* names of crates of the same registry, a line each; NULL without */
	char *warnings; /* a line each; NULL without */
	uint64_t size, unpacked, n_entries;
	int file;     /* sealed: the crate file in memory */
	int metadata; /* sealed: what goes before it on the wire */
	/* What the index said when it was proposed. */
	bool is_asked, is_first, is_listed;
	char *last_version;
	/* Memory that is set aside for `file`, from before it is written until the parcel ends. */
	struct agent *reserved_of;
	uint64_t n_reserved;
	bool is_written;
	bool is_verified;
	bool is_sent;	 /* or it may be: not a second time for this approval */
	bool is_refused; /* it surely did not get there */
};

struct parcel *parcel_new(void);
struct parcel *parcel_free(struct parcel *parcel);
DEFINE_CLEANUP(struct parcel, parcel_free)

/*
 * Sets memory aside for a file of that size, until the parcel ends. All that are sealed
 * together take at most half of what there would be without them, for the client has a copy of
 * its own, and its build needs some. REFUSAL_NONE or REFUSAL_NO_ROOM.
 */
enum refusal parcel_reserve(struct parcel *parcel, struct agent *agent, uint64_t size);
/* It has been taken: what is free says so by itself from now on. */
void parcel_written(struct parcel *parcel);

int consignment_new(struct agent *agent, const char *url, struct consignment **ret);
struct consignment *consignment_free(struct consignment *consignment);
DEFINE_CLEANUP(struct consignment, consignment_free)

/*
 * May one more crate be sealed? REFUSAL_NONE; REFUSAL_BUSY for too many on this connection, or
 * on all together after those were dropped that nobody has approved and that wait the longest.
 */
enum refusal consignment_make_place(struct consignment *consignment);

/*
 * Puts a parcel in, in place of one of the same crate; takes it over in any case. What
 * was approved before ends with that. 0 or -ENOMEM.
 */
int consignment_add(struct consignment *consignment, struct parcel *parcel);

const char *consignment_url(const struct consignment *consignment);
size_t consignment_n(const struct consignment *consignment);
struct parcel *consignment_at(const struct consignment *consignment, size_t index);
/* NULL if there is none of that name and version. */
struct parcel *consignment_find(
	const struct consignment *consignment, const char *crate, const char *version);

/* Begins a new question: the approval ends, and what the index said is forgotten. */
void consignment_renew(struct consignment *consignment);
/*
 * A person has said yes to all that is in it, for this account (without its token), which
 * is taken over. What was refused before may be tried again.
 */
void consignment_approve(
	struct consignment *consignment, struct account *account, bool needs_verify);
/* The account that it was approved for; NULL where it was not, or not any more. */
const struct account *consignment_account(const struct consignment *consignment);
bool consignment_needs_verify(const struct consignment *consignment);
/*
 * How its index is reached: as the account says if the store is open, else as it said at the
 * approval, without a token. 0 and *ret (caller frees), -ENOENT if it never was approved, or
 * another negative errno.
 */
int consignment_route(const struct consignment *consignment, struct route **ret);
/* Is there somebody who may still want it? Nobody does for ever. */
bool consignment_is_alive(const struct consignment *consignment);
/* How many crates there may be on all connections together, by the limit of descriptors. */
size_t consignment_places(void);
/* The approval ends. */
void consignment_lock(struct consignment *consignment);
