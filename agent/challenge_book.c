#include "challenge_book.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/cipher.h"
#include "protocol/cleanup.h"

int challenge_book_use(struct challenge_book *book, const char *url, const char *challenge) {
	size_t n = book->n < CHALLENGES_MAX ? book->n : CHALLENGES_MAX;
	_cleanup_(freep) char *both = NULL;
	uint8_t hash[CIPHER_HASH_SIZE];
	/* Neither has a blank. */
	int size = asprintf(&both, "%s %s", url, challenge);

	if (size < 0) {
		both = NULL;
		return -ENOMEM;
	}
	cipher_hash(hash, both, (size_t) size);
	for (size_t i = 0; i < n; i++) {
		if (memcmp(book->hashes[i], hash, CHALLENGE_HASH_SIZE) == 0)
			return -EEXIST;
	}
	memcpy(book->hashes[book->n++ % CHALLENGES_MAX], hash, CHALLENGE_HASH_SIZE);
	return 0;
}
