#pragma once

/*
 * What was chosen at `init`, and the newest generation seen: the file `store`
 * in the state folder. With it a store that has gone, or that somebody has put
 * back from last week, is told from one that never was.
 */

#include <stdint.h>

struct choice {
	char medium[16];
	uint64_t generation;
};

/* 0, -ENOENT (nothing chosen yet), -EBADMSG (unreadable), or another negative errno. */
int choice_read(struct choice *ret);
int choice_write(const struct choice *choice);
