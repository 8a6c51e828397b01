#include "manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/fields.h"
#include "cipher.h"

enum tag {
	TAG_GENERATION = 1,
	TAG_N_RECORDS,
	TAG_RECORDS_HASH,
};

const uint8_t manifest_id[IMAGE_ID_SIZE];

static bool is_manifest(const struct image_record *record) {
	return memcmp(record->id, manifest_id, IMAGE_ID_SIZE) == 0;
}

/* One hash over all ids and record hashes, in the order of the image. */
static int hash_records(
	const struct image *image, uint8_t ret[CIPHER_HASH_SIZE], uint64_t *ret_n) {
	_cleanup_(freep) uint8_t *all = NULL;
	const size_t entry = IMAGE_ID_SIZE + CIPHER_HASH_SIZE;
	uint64_t n = 0;
	uint8_t *p;

	all = reallocarray(NULL, image->n_records + 1, entry);
	if (!all)
		return -ENOMEM;
	p = all;
	for (size_t i = 0; i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];

		if (is_manifest(record))
			continue;
		memcpy(p, record->id, IMAGE_ID_SIZE);
		cipher_hash(p + IMAGE_ID_SIZE, record->bytes, record->size);
		p += entry;
		n++;
	}
	cipher_hash(ret, all, (size_t) (p - all));
	*ret_n = n;
	return 0;
}

int manifest_write(struct image *image, const struct seal *seal, uint64_t generation) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t hash[CIPHER_HASH_SIZE];
	uint64_t n;
	size_t size;
	int r;

	r = hash_records(image, hash, &n);
	if (r == 0)
		r = fields_new(&fields);
	if (r == 0)
		r = fields_put_u64(fields, TAG_GENERATION, generation);
	if (r == 0)
		r = fields_put_u64(fields, TAG_N_RECORDS, n);
	if (r == 0)
		r = fields_put(fields, TAG_RECORDS_HASH, hash, sizeof(hash));
	if (r == 0)
		r = seal_encrypt(seal, manifest_id, NULL, fields, &bytes, &size);
	if (r < 0)
		return r;
	return image_put(image, manifest_id, bytes, size);
}

int manifest_check(const struct image *image, const struct seal *seal, uint64_t *ret_generation) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	const struct image_record *record;
	uint64_t generation, n, told_n;
	uint8_t hash[CIPHER_HASH_SIZE];
	const uint8_t *told;
	size_t size;
	int r;

	record = image_find(image, manifest_id);
	if (!record)
		return -EBADMSG;
	r = seal_decrypt(seal, manifest_id, record->bytes, record->size, &fields);
	if (r < 0)
		return r;
	if (fields_get_u64(fields, TAG_GENERATION, &generation) < 0 ||
		fields_get_u64(fields, TAG_N_RECORDS, &told_n) < 0 ||
		fields_get(fields, TAG_RECORDS_HASH, &told, &size) < 0 || size != CIPHER_HASH_SIZE)
		return -EBADMSG;
	r = hash_records(image, hash, &n);
	if (r < 0)
		return r;
	if (n != told_n || memcmp(hash, told, CIPHER_HASH_SIZE) != 0)
		return -EBADMSG;
	*ret_generation = generation;
	return 0;
}
