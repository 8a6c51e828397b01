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

/* Crates on one connection, and on all together: each holds two descriptors. */
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
	bool is_verified, is_sent;
};

struct parcel *parcel_new(void);
struct parcel *parcel_free(struct parcel *parcel);
DEFINE_CLEANUP(struct parcel, parcel_free)

int consignment_new(struct agent *agent, const char *url, struct consignment **ret);
struct consignment *consignment_free(struct consignment *consignment);
DEFINE_CLEANUP(struct consignment, consignment_free)

/*
 * Reserves memory to seal another file of at most *size_max bytes, which shrinks to what there
 * is room for. REFUSAL_NONE (give it back when it is sealed or will not be), _BUSY for too many
 * crates, _NO_ROOM.
 */
enum refusal consignment_make_room(const struct consignment *consignment, uint64_t *size_max);
void consignment_give_back(const struct consignment *consignment, uint64_t size);

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

/*
 * A person has said yes to all that is in it, for this account (without its token), which
 * is taken over.
 */
void consignment_approve(
	struct consignment *consignment, struct account *account, bool needs_verify);
/* The account that it was approved for; NULL where it was not, or not any more. */
const struct account *consignment_account(const struct consignment *consignment);
bool consignment_needs_verify(const struct consignment *consignment);
/* The approval ends. */
void consignment_lock(struct consignment *consignment);
