#pragma once

/*
 * Which challenges were signed already: a token with a challenge is worth nothing to
 * whoever replays it, as long as no challenge is signed twice (RFC 3231). The registry
 * sees to that; so do we, as long as this process lives.
 */

#include <stddef.h>
#include <stdint.h>

/* So many are remembered, by hash; then the oldest is forgotten. */
#define CHALLENGES_MAX 1024
#define CHALLENGE_HASH_SIZE 16

struct challenge_book {
	uint8_t hashes[CHALLENGES_MAX][CHALLENGE_HASH_SIZE];
	size_t n; /* that were ever written */
};

/*
 * Of a registry, by canonical index URL. Writes it down in `book`: 0, -EEXIST if it stands there
 * already, or in `other`, -ENOMEM.
 */
int challenge_book_use(struct challenge_book *book, const struct challenge_book *other,
	const char *url, const char *challenge);
