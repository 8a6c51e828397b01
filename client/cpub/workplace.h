#pragma once

/*
 * What a publish puts into the project for as long as it takes: a folder of its
 * own for what cargo packages, so that no file that lay there before can be
 * taken for one of it; and a Cargo.lock, where there is none.
 */

#include <stdbool.h>

struct workplace {
	char *folder;
	/* The target folder, if it was not there before. */
	char *made_target;
	/* A Cargo.lock that goes again; NULL: there was one. */
	char *lockfile;
};

/* A new folder, 0700, in the target folder, which is made if need be. 0 or a negative errno. */
int workplace_make(struct workplace *workplace, const char *target);

/*
 * Looks for ROOT/Cargo.lock. 1 if there is none: then it will be removed, whoever makes it
 * meanwhile; 0 if there is one; -ENOMEM.
 */
int workplace_lacks_lockfile(struct workplace *workplace, const char *root);

/* Removes it all. What cannot be removed stays. */
void workplace_done(struct workplace *workplace);
