#pragma once

/* Those who wait to be told that the medium was looked at, in any order. */

#include "store.h"

struct look;

struct looks {
	struct look *waiting;
	/* Being told. A callback may add others, which wait for a look of their own. */
	struct look *telling;
};

/* 0 or -ENOMEM. */
int looks_add(struct looks *looks, store_done_t done, void *userdata);
/* Drops all of that `userdata`. */
void looks_forget(struct looks *looks, const void *userdata);
/* Tells and drops each that waits now. */
void looks_tell(struct looks *looks);
void looks_drop(struct looks *looks);
