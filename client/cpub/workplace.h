#pragma once

/*
 * What a publish puts into the project for as long as it takes: a folder of its
 * own for what cargo packages, so that no file that lay there before can be
 * taken for one of it; and a Cargo.lock, where there is none. The folder that a
 * run leaves which was killed the next one removes, see workplace_make; a Cargo.lock
 * it only tells of.
 */

#include <stdbool.h>
#include <sys/types.h>

struct workplace {
	char *folder;
	/* Holds the lock by which others know that the folder is in use. -1 for none. */
	int lock_fd;
	/* The target folder, if it was not there before. */
	char *made_target;
	/* A Cargo.lock that goes again, and which it is; NULL: there was one. */
	char *lockfile;
	char *lockfile_identity;
	/* A Cargo.lock that a run made which was killed, unchanged; NULL for none. */
	char *left_lockfile;
};

/*
 * A new folder, 0700, in the target folder, which is made if need be, as cargo would with this
 * mask. Before that what earlier runs left there is removed. 0 or a negative errno.
 */
int workplace_make(struct workplace *workplace, const char *target, mode_t mask);

/* Looks for ROOT/Cargo.lock. 1 if there is none, 0 if there is one; -ENOMEM. */
int workplace_lacks_lockfile(struct workplace *workplace, const char *root);
/* After that, and when it was made: that one, as it is, goes at the end. 0 or a negative errno. */
int workplace_note_lockfile(struct workplace *workplace);

/* Removes what cargo has packaged. */
void workplace_empty(struct workplace *workplace);

/*
 * Removes it all. What cannot be removed stays. False if a Cargo.lock does that is no longer the
 * one that was made.
 */
bool workplace_done(struct workplace *workplace);
