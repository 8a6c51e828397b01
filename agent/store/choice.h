#pragma once

/*
 * What was chosen at `init`, and the newest generation seen: the file `store`
 * in the state folder. With it a store that has gone, or that somebody has put
 * back from last week, is told from one that never was.
 */

#include <stdint.h>

#define CHOICE_NAME_SIZE 16

struct choice {
	char medium[CHOICE_NAME_SIZE];
	uint64_t generation;
	/* Another medium, on which a move that was cut short may have left a copy; or empty. */
	char leftover[CHOICE_NAME_SIZE];
};

/* 0, -ENOENT (nothing chosen yet), -EBADMSG (unreadable), or another negative errno. */
int choice_read(struct choice *ret);
int choice_write(const struct choice *choice);
