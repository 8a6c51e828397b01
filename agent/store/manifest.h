#pragma once

/*
 * The manifest: one sealed record, with an id of zeros, that tells the
 * generation of the store and the hash of each other record. A record that
 * somebody removed, added, or put back from an older state does not pass.
 */

#include <stdint.h>

#include "image.h"
#include "seal.h"

extern const uint8_t manifest_id[IMAGE_ID_SIZE];

/* Writes a manifest over the records of `image` into it. */
int manifest_write(struct image *image, const struct seal *seal, uint64_t generation);
/* 0 and the generation, -EBADMSG, -ENOMEM. */
int manifest_check(const struct image *image, const struct seal *seal, uint64_t *ret_generation);
