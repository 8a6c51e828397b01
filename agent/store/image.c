#include "image.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cipher.h"
#include "index.h"

#define MAGIC "cpub-agent vault\n"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define FORMAT 1
#define CHECKSUM_SIZE CIPHER_HASH_SIZE

int image_new(struct image **ret) {
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	*ret = image;
	return 0;
}

struct image *image_free(struct image *image) {
	if (!image)
		return NULL;
	free(image->header);
	for (size_t i = 0; i < image->n_records; i++)
		free(image->records[i].bytes);
	free(image->records);
	index_free(image->index);
	free(image);
	return NULL;
}

int image_index(struct image *image) {
	image->index = index_free(image->index);
	return index_new(image, &image->index);
}

static int copy_bytes(const void *bytes, size_t size, uint8_t **ret) {
	uint8_t *copy = malloc(size > 0 ? size : 1);

	if (!copy)
		return -ENOMEM;
	if (size > 0)
		memcpy(copy, bytes, size);
	*ret = copy;
	return 0;
}

int image_set_header(struct image *image, const void *bytes, size_t size) {
	uint8_t *copy;
	int r;

	if (size > IMAGE_RECORD_SIZE_MAX)
		return -E2BIG;
	r = copy_bytes(bytes, size, &copy);
	if (r < 0)
		return r;
	free(image->header);
	image->header = copy;
	image->header_size = size;
	return 0;
}

static struct image_record *find(const struct image *image, const uint8_t *id) {
	for (size_t i = 0; i < image->n_records; i++) {
		if (memcmp(image->records[i].id, id, IMAGE_ID_SIZE) == 0)
			return &image->records[i];
	}
	return NULL;
}

const struct image_record *image_find(const struct image *image, const uint8_t *id) {
	return find(image, id);
}

/* Adds a record without looking for one of the same id. Room must be there. */
static int append(struct image *image, const uint8_t *id, const void *bytes, size_t size) {
	struct image_record *record = &image->records[image->n_records];
	int r;

	r = copy_bytes(bytes, size, &record->bytes);
	if (r < 0)
		return r;
	memcpy(record->id, id, IMAGE_ID_SIZE);
	record->size = size;
	image->n_records++;
	return 0;
}

static int reserve(struct image *image, size_t n) {
	struct image_record *records = reallocarray(image->records, n, sizeof(*records));

	if (!records)
		return -ENOMEM;
	image->records = records;
	return 0;
}

int image_put(struct image *image, const uint8_t *id, const void *bytes, size_t size) {
	struct image_record *record = find(image, id);
	uint8_t *copy;
	int r;

	if (size > IMAGE_RECORD_SIZE_MAX)
		return -E2BIG;
	image->index = index_free(image->index);
	if (record) {
		r = copy_bytes(bytes, size, &copy);
		if (r < 0)
			return r;
		free(record->bytes);
		record->bytes = copy;
		record->size = size;
		return 0;
	}
	if (image->n_records >= IMAGE_RECORDS_MAX)
		return -E2BIG;
	r = reserve(image, image->n_records + 1);
	if (r < 0)
		return r;
	return append(image, id, bytes, size);
}

int image_erase(struct image *image, const uint8_t *id) {
	struct image_record *record = find(image, id), *end = image->records + image->n_records;

	if (!record)
		return -ENOENT;
	image->index = index_free(image->index);
	free(record->bytes);
	memmove(record, record + 1, (size_t) (end - record - 1) * sizeof(*record));
	image->n_records--;
	return 0;
}

int image_copy(const struct image *image, struct image **ret) {
	_cleanup_(image_freep) struct image *copy = NULL;
	int r;

	r = image_new(&copy);
	if (r < 0)
		return r;
	r = image_set_header(copy, image->header, image->header_size);
	if (r < 0)
		return r;
	if (image->n_records > 0) {
		r = reserve(copy, image->n_records);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];

		r = append(copy, record->id, record->bytes, record->size);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(copy);
	return 0;
}

static int compare_ids(const void *a, const void *b) {
	const struct image_record *const *one = a, *const *other = b;

	return memcmp((*one)->id, (*other)->id, IMAGE_ID_SIZE);
}

/* The records by their ids; caller frees. NULL without memory. */
static const struct image_record **sort(const struct image *image) {
	const struct image_record **sorted;

	sorted = reallocarray(NULL, image->n_records + 1, sizeof(*sorted));
	if (!sorted)
		return NULL;
	for (size_t i = 0; i < image->n_records; i++)
		sorted[i] = &image->records[i];
	qsort(sorted, image->n_records, sizeof(*sorted), compare_ids);
	return sorted;
}

static bool record_equals(const struct image_record *a, const struct image_record *b) {
	return a->size == b->size && memcmp(a->id, b->id, IMAGE_ID_SIZE) == 0 &&
		memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool image_has_header_of(const struct image *image, const struct image *other) {
	return image->header_size == other->header_size &&
		memcmp(image->header, other->header, image->header_size) == 0;
}

bool image_equals(const struct image *a, const struct image *b) {
	_cleanup_(freep) const struct image_record **in_a = NULL;
	_cleanup_(freep) const struct image_record **in_b = NULL;

	if (a->n_records != b->n_records || !image_has_header_of(a, b))
		return false;
	in_a = sort(a);
	in_b = sort(b);
	if (!in_a || !in_b)
		return false; /* As far as we can tell. */
	for (size_t i = 0; i < a->n_records; i++) {
		if (!record_equals(in_a[i], in_b[i]))
			return false;
	}
	return true;
}

static uint8_t *put_u32(uint8_t *to, size_t value) {
	uint32_t word = htole32((uint32_t) value);

	memcpy(to, &word, sizeof(word));
	return to + sizeof(word);
}

static uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t size) {
	memcpy(to, bytes, size);
	return to + size;
}

int image_encode(const struct image *image, uint8_t **ret, size_t *ret_size) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size = MAGIC_SIZE + 4 + 4 + image->header_size + 4 + CHECKSUM_SIZE;
	uint8_t *p;

	for (size_t i = 0; i < image->n_records; i++)
		size += IMAGE_ID_SIZE + 4 + image->records[i].size;
	if (size > IMAGE_SIZE_MAX)
		return -E2BIG;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	p = put_bytes(bytes, MAGIC, MAGIC_SIZE);
	p = put_u32(p, FORMAT);
	p = put_u32(p, image->header_size);
	p = put_bytes(p, image->header, image->header_size);
	p = put_u32(p, image->n_records);
	for (size_t i = 0; i < image->n_records; i++) {
		p = put_bytes(p, image->records[i].id, IMAGE_ID_SIZE);
		p = put_u32(p, image->records[i].size);
		p = put_bytes(p, image->records[i].bytes, image->records[i].size);
	}
	cipher_hash(p, bytes, (size_t) (p - bytes));
	*ret = TAKE_PTR(bytes);
	*ret_size = size;
	return 0;
}

/* A cursor over bytes that nobody vouches for. */
struct reader {
	const uint8_t *bytes;
	size_t size;
};

static int take_bytes(struct reader *reader, size_t size, const uint8_t **ret) {
	if (size > reader->size)
		return -EBADMSG;
	*ret = reader->bytes;
	reader->bytes += size;
	reader->size -= size;
	return 0;
}

static int take_u32(struct reader *reader, size_t max, size_t *ret) {
	const uint8_t *bytes;
	uint32_t word;
	int r;

	r = take_bytes(reader, sizeof(word), &bytes);
	if (r < 0)
		return r;
	memcpy(&word, bytes, sizeof(word));
	if (le32toh(word) > max)
		return -EBADMSG;
	*ret = le32toh(word);
	return 0;
}

static int take_record(struct reader *reader, struct image *image) {
	const uint8_t *id, *bytes;
	size_t size;
	int r;

	r = take_bytes(reader, IMAGE_ID_SIZE, &id);
	if (r < 0)
		return r;
	r = take_u32(reader, IMAGE_RECORD_SIZE_MAX, &size);
	if (r < 0)
		return r;
	r = take_bytes(reader, size, &bytes);
	if (r < 0)
		return r;
	return append(image, id, bytes, size);
}

static int take_all(struct reader *reader, struct image *image) {
	const uint8_t *header;
	size_t size, n;
	int r;

	r = take_u32(reader, IMAGE_RECORD_SIZE_MAX, &size);
	if (r < 0)
		return r;
	r = take_bytes(reader, size, &header);
	if (r < 0)
		return r;
	r = image_set_header(image, header, size);
	if (r < 0)
		return r;
	r = take_u32(reader, IMAGE_RECORDS_MAX, &n);
	if (r < 0)
		return r;
	/* Each record takes at least its id and size: a large count in a small file is a lie. */
	if (n > reader->size / (IMAGE_ID_SIZE + 4))
		return -EBADMSG;
	if (n > 0) {
		r = reserve(image, n);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		r = take_record(reader, image);
		if (r < 0)
			return r;
	}
	return reader->size == 0 ? 0 : -EBADMSG;
}

/* Two records of one id would be two answers to one question. */
static int check_ids(const struct image *image) {
	_cleanup_(freep) const struct image_record **sorted = sort(image);

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 1; i < image->n_records; i++) {
		if (compare_ids(&sorted[i - 1], &sorted[i]) == 0)
			return -EBADMSG;
	}
	return 0;
}

int image_decode(const uint8_t *bytes, size_t size, struct image **ret) {
	_cleanup_(image_freep) struct image *image = NULL;
	struct reader reader = {bytes, size};
	uint8_t checksum[CHECKSUM_SIZE];
	const uint8_t *magic;
	size_t format;
	int r;

	if (size > IMAGE_SIZE_MAX || size < MAGIC_SIZE + CHECKSUM_SIZE)
		return -EBADMSG;
	reader.size -= CHECKSUM_SIZE;
	cipher_hash(checksum, bytes, reader.size);
	if (memcmp(checksum, bytes + reader.size, CHECKSUM_SIZE) != 0)
		return -EBADMSG;
	r = take_bytes(&reader, MAGIC_SIZE, &magic);
	if (r < 0 || memcmp(magic, MAGIC, MAGIC_SIZE) != 0)
		return -EBADMSG;
	r = take_u32(&reader, UINT32_MAX, &format);
	if (r < 0)
		return r;
	if (format > FORMAT)
		return -ENOTSUP;
	if (format != FORMAT)
		return -EBADMSG;
	r = image_new(&image);
	if (r < 0)
		return r;
	r = take_all(&reader, image);
	if (r == 0)
		r = check_ids(image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}
