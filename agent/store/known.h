#pragma once

/*
 * Which URLs are ours, for when the store itself cannot be asked, because its
 * keyring is locked or away: the file `known` in the state folder, with the salt
 * and the tags that stand in the clear before each record (seal.h). It shows
 * nothing that a vault file does not show.
 */

struct image;
struct seal;

/*
 * Writes the URLs of `image`, and those of `other`, which has the same salt and
 * may be NULL. If that fails there is no file afterwards: then nobody is told
 * that a URL is not ours.
 */
void known_write(const struct seal *seal, const struct image *image, const struct image *other);
/* Forgets all: for what is about to be written under another salt. */
void known_erase(void);

/* 1 if it is, 0 if it is not, -ENOENT if nobody knows. */
int known_has(const char *url);
