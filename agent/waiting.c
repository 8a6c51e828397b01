#include "waiting.h"

#include <errno.h>
#include <string.h>

#include "protocol/secret.h"

/* A page: less could not be locked. */
#define FIRST_CAPACITY 4096

static int grow(struct waiting *waiting, size_t *total, size_t size) {
	size_t old = waiting->bytes ? secret_size(waiting->bytes) : 0;
	size_t capacity = old > 0 ? old : FIRST_CAPACITY;
	struct secret *bigger;
	int r;

	while (capacity < size)
		capacity *= 2;
	if (capacity == old)
		return 0;
	if (*total - old + capacity > WAITING_MAX)
		return -EBUSY;
	r = secret_new(capacity, &bigger);
	if (r < 0)
		return r;
	if (waiting->size > 0)
		memcpy(secret_bytes(bigger), secret_peek(waiting->bytes), waiting->size);
	*total += capacity - old;
	secret_free(waiting->bytes);
	waiting->bytes = bigger;
	return 0;
}

int waiting_add(struct waiting *waiting, size_t *total, const void *bytes, size_t size) {
	int r;

	if (size == 0)
		return 0;
	r = grow(waiting, total, waiting->size + size);
	if (r < 0)
		return r;
	memcpy(secret_bytes(waiting->bytes) + waiting->size, bytes, size);
	waiting->size += size;
	return 0;
}

void waiting_drop(struct waiting *waiting, size_t *total, size_t size) {
	uint8_t *bytes;

	if (size >= waiting->size) {
		waiting_clear(waiting, total);
		return;
	}
	bytes = secret_bytes(waiting->bytes);
	waiting->size -= size;
	memmove(bytes, bytes + size, waiting->size);
	explicit_bzero(bytes + waiting->size, size);
}

void waiting_clear(struct waiting *waiting, size_t *total) {
	if (waiting->bytes)
		*total -= secret_size(waiting->bytes);
	waiting->bytes = secret_free(waiting->bytes);
	waiting->size = 0;
}
