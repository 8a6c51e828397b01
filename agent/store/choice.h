#pragma once

/*
 * What was chosen at `init`, and the newest generation seen: the file `store`
 * in the state folder. With it a store that has gone, or that somebody has put
 * back from last week, is told from one that never was.
 */

#include <stdbool.h>
#include <stdint.h>

#define CHOICE_NAME_SIZE 16

struct choice {
	char medium[CHOICE_NAME_SIZE];
	uint64_t generation; /* 0: about to be made, or found and not opened yet */
	/* What opens it lies beside it; else nothing that does is believed. */
	bool is_open;
	/* Another medium, on which a move that was cut short may have left a copy; or empty. */
	char leftover[CHOICE_NAME_SIZE];
};

/* 0, -ENOENT (nothing chosen yet), -EBADMSG (unreadable), or another negative errno. */
int choice_read(struct choice *ret);
int choice_write(const struct choice *choice);
/* 0, also if there was none. */
int choice_erase(void);
