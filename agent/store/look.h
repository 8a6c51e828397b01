#pragma once

/* Those who wait to be told that the medium was looked at, in any order. */

#include "store.h"

struct look;

/* 0 or -ENOMEM. */
int look_add(struct look **looks, store_done_t done, void *userdata);
/* Drops all of that `userdata`. */
void look_forget(struct look **looks, const void *userdata);
/* Tells and drops each. A callback may add others: they are told as well. */
void look_tell_all(struct look **looks);
void look_drop_all(struct look **looks);
