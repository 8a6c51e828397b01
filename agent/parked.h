#pragma once

/*
 * A descriptor that a client lent, kept out of our table of descriptors: as a message
 * that nobody has received yet, on a pair of sockets of our own.
 *
 * Each worker begins as a copy of us, and closes that copy of our table when it becomes
 * itself. Was a file of a FUSE server in it, that close would ask the server (FLUSH), which
 * need not answer: one client's file would keep every worker from starting. What is on
 * its way between sockets is in no table, and dropping it asks nobody.
 */

#include "protocol/cleanup.h"

struct parked;

/* Takes `fd` over in any case. 0 and *ret (caller frees), or a negative errno. */
int parked_new(int fd, struct parked **ret);
/* Never waits for whoever stands behind it. */
struct parked *parked_free(struct parked *parked);
DEFINE_CLEANUP(struct parked, parked_free)

/* A descriptor that stands for it and can be duplicated; borrowed. */
int parked_ticket(const struct parked *parked);
/*
 * What a ticket stands for, which stays parked as well. 0 and *ret: give it away at once and
 * close it by lent_close; or a negative errno.
 */
int parked_peek(int ticket, int *ret);
