#pragma once

/*
 * Where the accounts are in an image, so that one among ten thousand is found
 * as fast as one alone: their records in the order of the tags that stand in
 * front. It borrows them; image.c drops it at each change of the image.
 */

#include <stddef.h>
#include <stdint.h>

#include "image.h"

struct index;

/* 0 and *ret (caller frees), or -ENOMEM. */
int index_new(const struct image *image, struct index **ret);
struct index *index_free(struct index *index);

size_t index_n_accounts(const struct index *index);
/* By its place among the accounts of the image, below index_n_accounts. */
const struct image_record *index_at(const struct index *index, size_t place);
/* One that begins with those tags, or with the first of them; NULL if none does. */
const struct image_record *index_find(
	const struct index *index, const uint8_t *tags, size_t size);
