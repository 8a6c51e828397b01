#pragma once

/* The vault's file behind the agent's back: what other programs, crashes and thieves do to it. */

#include <stddef.h>
#include <stdint.h>

#include "agent/store/image.h"
#include "protocol/cleanup.h"

/* All of them fail the test if they cannot. */

/* The path of a file in the vault's folder; borrowed until the next call. */
const char *vault_path(const char *name);

struct contents {
	uint8_t *bytes;
	size_t size;
};

static inline void contents_done(struct contents *contents) {
	free(contents->bytes);
}

/* A whole file, and back; it comes back private. */
struct contents file_take(const char *path);
void file_give(const char *path, const void *bytes, size_t size);

/* The vault as an image (caller frees), and back with a checksum that is right. */
struct image *vault_image(void);
void vault_give_image(const struct image *image);
/* The vault is byte for byte that. */
void vault_assert_is(const struct contents *contents);
