#pragma once

/*
 * A store leaves one medium for another. At every moment the recorded choice
 * names one that holds it whole, and the other, where something may lie, as
 * the leftover: what a crash leaves is erased after the next unlock.
 *
 *   look at the new one (must be empty) --> record the old, leftover the new
 *   --> save --> read back, compare --> record the new, leftover the old
 *   --> erase the old --> record the new alone
 *
 * A failure before the new one is recorded, or an old one that somebody has
 * changed meanwhile, undoes it: erase the new, record the old alone.
 */

#include <stdint.h>

#include "protocol/cleanup.h"

struct image;
struct medium;
struct move;

/* 0, -EEXIST (the new one is not empty), -ESTALE (what is read back or the old one differs), … */
typedef void (*move_done_t)(int error, void *userdata);

/*
 * Starts. `from` is borrowed until the callback or until `from` is freed; `to`
 * and `image`, which is what `from` holds, are taken unless it fails. Calls
 * back once, from the loop. 0 and *ret (caller frees), or -ENOMEM.
 */
int move_new(struct medium *from, struct medium *to, struct image *image, uint64_t generation,
	move_done_t done, void *userdata, struct move **ret);
struct move *move_free(struct move *move);
DEFINE_CLEANUP(struct move, move_free)

/* After a success: the new medium, which is the caller's from now on. */
struct medium *move_take_medium(struct move *move);

/*
 * Erases what an earlier move left on `medium`, if it has the header of `image`
 * or is damaged; what is anybody else's stays. Takes both, unless it fails.
 * Calls back with 0 when nothing of that move is there any more.
 */
int move_clear(struct medium *medium, struct image *image, move_done_t done, void *userdata,
	struct move **ret);
