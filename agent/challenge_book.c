#include "challenge_book.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/cipher.h"
#include "protocol/cleanup.h"

static bool challenge_book_has(
	const struct challenge_book *book, const uint8_t hash[CHALLENGE_HASH_SIZE]) {
	for (size_t i = 0; i < book->n && i < CHALLENGES_MAX; i++) {
		if (memcmp(book->hashes[i], hash, CHALLENGE_HASH_SIZE) == 0)
			return true;
	}
	return false;
}

int challenge_book_use(struct challenge_book *book, const struct challenge_book *other,
	const char *url, const char *challenge) {
	_cleanup_(freep) char *both = NULL;
	uint8_t hash[CIPHER_HASH_SIZE];
	/* Neither has a blank. */
	int size = asprintf(&both, "%s %s", url, challenge);

	if (size < 0) {
		both = NULL;
		return -ENOMEM;
	}
	cipher_hash(hash, both, (size_t) size);
	if (challenge_book_has(book, hash) || challenge_book_has(other, hash))
		return -EEXIST;
	memcpy(book->hashes[book->n++ % CHALLENGES_MAX], hash, CHALLENGE_HASH_SIZE);
	return 0;
}
