#pragma once

/*
 * Bytes that a peer has sent and that are not a whole request yet. They may
 * hold a token, so they lie in a secret, which is there only while they are: a
 * silent connection costs no locked memory.
 */

#include <stddef.h>
#include <stdint.h>

struct secret;

/* All connections together: far below what may be locked (8 MiB). */
#define WAITING_MAX ((size_t) 1024 * 1024)

struct waiting {
	struct secret *bytes;
	size_t size;
};

/*
 * Appends. *total counts the memory of all connections. 0, -EBUSY if that
 * would pass WAITING_MAX, or -ENOMEM; then nothing has changed.
 */
int waiting_add(struct waiting *waiting, size_t *total, const void *bytes, size_t size);
/* Takes the first `size` bytes away, wiping them. */
void waiting_drop(struct waiting *waiting, size_t *total, size_t size);
void waiting_clear(struct waiting *waiting, size_t *total);
