/* The file: "known 1\n", the salt, then a tag for each URL, sorted. */

#include "known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/log.h"
#include "cipher.h"
#include "image.h"
#include "manifest.h"
#include "seal.h"

#define KNOWN "known"
#define MAGIC "known 1\n"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define HEAD_SIZE (MAGIC_SIZE + SEAL_TAG_SALT_SIZE)
#define SIZE_MAX_READ (HEAD_SIZE + 2 * (size_t) IMAGE_RECORDS_MAX * SEAL_TAG_SIZE)

static int compare(const void *a, const void *b) {
	return memcmp(a, b, SEAL_TAG_SIZE);
}

/* Each URL once, however many accounts it has. The new number of them. */
static size_t sort_tags(uint8_t *tags, size_t n) {
	size_t n_kept = 0;

	qsort(tags, n, SEAL_TAG_SIZE, compare);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *tag = tags + i * SEAL_TAG_SIZE;

		if (n_kept > 0 && compare(tag, tags + (n_kept - 1) * SEAL_TAG_SIZE) == 0)
			continue;
		memmove(tags + n_kept * SEAL_TAG_SIZE, tag, SEAL_TAG_SIZE);
		n_kept++;
	}
	return n_kept;
}

/* Adds the tags of an image behind the first `n`. The new number of them. */
static size_t add_tags(uint8_t *tags, size_t n, const struct image *image) {
	for (size_t i = 0; image && i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];

		if (record->size > SEAL_TAGS_SIZE &&
			memcmp(record->id, manifest_id, IMAGE_ID_SIZE) != 0)
			memcpy(tags + n++ * SEAL_TAG_SIZE, record->bytes, SEAL_TAG_SIZE);
	}
	return n;
}

/* Caller frees. NULL without memory. */
static uint8_t *compose(const struct seal *seal, const struct image *image,
	const struct image *other, size_t *ret_size) {
	size_t n_max = image->n_records + (other ? other->n_records : 0), n;
	uint8_t *bytes = malloc(HEAD_SIZE + (n_max + 1) * SEAL_TAG_SIZE), *tags;

	if (!bytes)
		return NULL;
	memcpy(bytes, MAGIC, MAGIC_SIZE);
	memcpy(bytes + MAGIC_SIZE, seal_tag_salt(seal), SEAL_TAG_SALT_SIZE);
	tags = bytes + HEAD_SIZE;
	n = add_tags(tags, add_tags(tags, 0, image), other);
	*ret_size = HEAD_SIZE + sort_tags(tags, n) * SEAL_TAG_SIZE;
	return bytes;
}

void known_erase(void) {
	_cleanup_(fd_closep) int directory = -1;

	if (home_open(HOME_STATE, false, &directory) < 0)
		return; /* Who cannot open it cannot be told anything out of it either. */
	if (unlinkat(directory, KNOWN, 0) < 0 && errno != ENOENT)
		log_warning("the note of which registries are ours could not be removed: %s",
			strerror(errno));
}

void known_write(const struct seal *seal, const struct image *image, const struct image *other) {
	_cleanup_(fd_closep) int directory = -1;
	_cleanup_(freep) uint8_t *bytes = NULL, *old = NULL;
	size_t size, old_size;
	int r;

	bytes = compose(seal, image, other, &size);
	r = bytes ? home_open(HOME_STATE, true, &directory) : -ENOMEM;
	if (r == 0 && home_read(directory, KNOWN, SIZE_MAX_READ, &old, &old_size) == 0 &&
		old_size == size && memcmp(old, bytes, size) == 0)
		return;
	if (r == 0)
		r = home_replace(directory, KNOWN, bytes, size);
	if (r < 0) {
		log_warning("which registries are ours could not be noted: %s", strerror(-r));
		known_erase();
	}
}

int known_has(const char *url) {
	_cleanup_(fd_closep) int directory = -1;
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t tag[SEAL_TAG_SIZE];
	size_t size;

	if (home_open(HOME_STATE, false, &directory) < 0 ||
		home_read(directory, KNOWN, SIZE_MAX_READ, &bytes, &size) < 0 ||
		size < HEAD_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0 ||
		(size - HEAD_SIZE) % SEAL_TAG_SIZE != 0)
		return -ENOENT;
	cipher_tag(tag, SEAL_TAG_SIZE, bytes + MAGIC_SIZE, url, strlen(url));
	return bsearch(tag, bytes + HEAD_SIZE, (size - HEAD_SIZE) / SEAL_TAG_SIZE, SEAL_TAG_SIZE,
		       compare) != NULL;
}
