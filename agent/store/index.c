#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "seal.h"

struct index {
	/* All records but the manifest: in the image's order, and sorted by their tags. */
	const struct image_record **placed;
	const struct image_record **sorted;
	size_t n;
	size_t n_sorted; /* Too short a record has no tags, and is no account that anybody finds. */
};

static int compare(const void *a, const void *b) {
	const struct image_record *const *one = a, *const *other = b;

	return memcmp((*one)->bytes, (*other)->bytes, SEAL_TAGS_SIZE);
}

static void fill(struct index *index, const struct image *image) {
	for (size_t i = 0; i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];

		if (memcmp(record->id, manifest_id, IMAGE_ID_SIZE) == 0)
			continue;
		index->placed[index->n++] = record;
		if (record->size > SEAL_TAGS_SIZE)
			index->sorted[index->n_sorted++] = record;
	}
	qsort(index->sorted, index->n_sorted, sizeof(*index->sorted), compare);
}

int index_new(const struct image *image, struct index **ret) {
	struct index *index = calloc(1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	index->placed = reallocarray(NULL, image->n_records + 1, sizeof(*index->placed));
	index->sorted = reallocarray(NULL, image->n_records + 1, sizeof(*index->sorted));
	if (!index->placed || !index->sorted) {
		index_free(index);
		return -ENOMEM;
	}
	fill(index, image);
	*ret = index;
	return 0;
}

struct index *index_free(struct index *index) {
	if (!index)
		return NULL;
	free(index->placed);
	free(index->sorted);
	free(index);
	return NULL;
}

size_t index_n_accounts(const struct index *index) {
	return index->n;
}

const struct image_record *index_at(const struct index *index, size_t place) {
	return place < index->n ? index->placed[place] : NULL;
}

const struct image_record *index_find(
	const struct index *index, const uint8_t *tags, size_t size) {
	size_t low = 0, high = index->n_sorted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(index->sorted[middle]->bytes, tags, size);

		if (order == 0)
			return index->sorted[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
