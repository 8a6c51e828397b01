#pragma once

/*
 * Which URLs are ours, for when the store itself cannot be asked, because its
 * keyring is locked or away: the file `known` in the state folder, with the salt
 * and the tags that stand in the clear before each record (seal.h). It shows
 * nothing that a vault file does not show.
 */

struct image;
struct seal;

/* Writes what is not there yet. A failure is logged: the next one that cannot ask knows less. */
void known_write(const struct seal *seal, const struct image *image);

/* 1 if it is, 0 if it is not, -ENOENT if nobody knows. */
int known_has(const char *url);
