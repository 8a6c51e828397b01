#pragma once

/*
 * From a file that a client lent to a parcel: copied into memory by worker-seal, where
 * nobody can change it any more, then read by worker-inspect.
 */

#include <stdint.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct parcel;
struct parked;
struct sealing;

/* `parcel` is handed over where `refusal` is REFUSAL_NONE, else NULL; `detail` is borrowed and may be NULL. */
typedef void (*sealing_done_t)(
	enum refusal refusal, const char *detail, struct parcel *parcel, void *userdata);

/*
 * Seals `file`, at most `size_max` bytes of it: the parcel has file, size and checksum.
 * REFUSAL_NONE and *ret (caller frees): it will call back; or the refusal.
 */
enum refusal sealing_new(struct agent *agent, const struct parked *file, uint64_t size_max,
	sealing_done_t done, void *userdata, struct sealing **ret);

/* Reads a sealed parcel, which is taken over in any case: it has all the rest then. */
enum refusal sealing_inspect(struct agent *agent, const char *index_url, struct parcel *parcel,
	sealing_done_t done, void *userdata, struct sealing **ret);

/*
 * Compares two sealed files: REFUSAL_CRATE_DIFFERS with the names of the files that differ, or
 * what else failed. The parcel that is handed over is always NULL.
 */
enum refusal sealing_compare(struct agent *agent, const struct parcel *a, const struct parcel *b,
	sealing_done_t done, void *userdata, struct sealing **ret);

struct sealing *sealing_free(struct sealing *sealing);
DEFINE_CLEANUP(struct sealing, sealing_free)
