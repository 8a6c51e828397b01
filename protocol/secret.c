#include "secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct secret {
	uint8_t *bytes;
	size_t size;
	bool is_locked;
};

/* The programs that use secrets are single-threaded, so a plain counter will do. */
static size_t n_unlocked;

/* A child may live longer than the secret. Whole pages, as it has to be. */
static int keep_from_children(uint8_t *bytes, size_t size) {
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t) bytes & ~(page - 1);

	if (madvise((void *) start, (uintptr_t) bytes + size - start, MADV_DONTFORK) < 0)
		return -errno;
	return 0;
}

int secret_new(size_t size, struct secret **ret) {
	_cleanup_(freep) struct secret *secret = NULL;
	int r;

	if (size == 0)
		return -EINVAL;
	if (sodium_init() < 0)
		return -EIO;
	secret = calloc(1, sizeof(*secret));
	if (!secret)
		return -ENOMEM;
	secret->bytes = sodium_malloc(size);
	if (!secret->bytes)
		return -ENOMEM;
	r = keep_from_children(secret->bytes, size);
	if (r < 0) {
		sodium_free(secret->bytes);
		return r;
	}
	/* sodium_malloc goes on in silence when its mlock fails; locking again tells. */
	secret->is_locked = mlock(secret->bytes, size) == 0;
	if (!secret->is_locked)
		n_unlocked++;
	memset(secret->bytes, 0, size);
	secret->size = size;
	*ret = TAKE_PTR(secret);
	return 0;
}

int secret_from(const void *bytes, size_t size, struct secret **ret) {
	struct secret *secret;
	int r;

	r = secret_new(size, &secret);
	if (r < 0)
		return r;
	memcpy(secret->bytes, bytes, size);
	*ret = secret;
	return 0;
}

struct secret *secret_free(struct secret *secret) {
	if (!secret)
		return NULL;
	if (!secret->is_locked)
		n_unlocked--;
	sodium_free(secret->bytes); /* Wipes, unlocks and unmaps. */
	free(secret);
	return NULL;
}

uint8_t *secret_bytes(struct secret *secret) {
	return secret->bytes;
}

const uint8_t *secret_peek(const struct secret *secret) {
	return secret->bytes;
}

size_t secret_size(const struct secret *secret) {
	return secret->size;
}

void secret_shrink(struct secret *secret, size_t size) {
	if (size >= secret->size)
		return;
	sodium_memzero(secret->bytes + size, secret->size - size);
	secret->size = size;
}

bool secret_equal(const struct secret *a, const struct secret *b) {
	return a->size == b->size && sodium_memcmp(a->bytes, b->bytes, a->size) == 0;
}

size_t secret_n_unlocked(void) {
	return n_unlocked;
}
