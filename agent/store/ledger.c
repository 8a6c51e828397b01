#include "ledger.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/account.h"
#include "agent/fields.h"
#include "cipher.h"
#include "image.h"
#include "index.h"
#include "manifest.h"
#include "seal.h"

/* The fields that a record is found by, in whatever type of record; as in agent/account.c. */
enum tag {
	TAG_URL = 2,
	TAG_NAME,
};

/* Tags stand at the front of a record, in the clear. */
static bool has_tags(const struct image_record *record, const uint8_t *tags, size_t size) {
	return record->size > SEAL_TAGS_SIZE && memcmp(record->bytes, tags, size) == 0 &&
		memcmp(record->id, manifest_id, IMAGE_ID_SIZE) != 0;
}

static const struct image_record *find_tags(
	const struct image *image, const uint8_t *tags, size_t size) {
	if (image->index)
		return index_find(image->index, tags, size);
	for (size_t i = 0; i < image->n_records; i++) {
		if (has_tags(&image->records[i], tags, size))
			return &image->records[i];
	}
	return NULL;
}

/* The tags under which a record of these fields is found; zeros for one that is about no URL. */
static int record_tags(
	const struct seal *seal, const struct fields *fields, uint8_t ret[SEAL_TAGS_SIZE]) {
	_cleanup_(freep) char *url = NULL;
	_cleanup_(freep) char *name = NULL;
	int r;

	memset(ret, 0, SEAL_TAGS_SIZE);
	r = fields_get_string(fields, TAG_URL, &url);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = fields_get_string(fields, TAG_NAME, &name);
	if (r < 0 && r != -ENOENT)
		return r;
	return seal_tags(seal, url, name, ret);
}

static const struct image_record *find_account(const struct image *image,
	const struct seal *seal, const char *url, const char *name) {
	uint8_t tags[SEAL_TAGS_SIZE];

	if (seal_tags(seal, url, name, tags) < 0)
		return NULL;
	return find_tags(image, tags, SEAL_TAGS_SIZE);
}

static const struct image_record *find_url(
	const struct image *image, const struct seal *seal, const char *url) {
	uint8_t tags[SEAL_TAGS_SIZE];

	(void) seal_tags(seal, url, NULL, tags);
	return find_tags(image, tags, SEAL_TAG_SIZE);
}

int ledger_new(const struct seal *seal, struct image **ret) {
	_cleanup_(image_freep) struct image *image = NULL;
	const uint8_t *header;
	size_t size;
	int r;

	r = image_new(&image);
	if (r < 0)
		return r;
	header = seal_header(seal, &size);
	r = image_set_header(image, header, size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}

bool ledger_has_url(const struct image *image, const struct seal *seal, const char *url) {
	return find_url(image, seal, url);
}

size_t ledger_n_accounts(const struct image *image) {
	size_t n = image->n_records;

	if (image->index)
		return index_n_accounts(image->index);
	return image_find(image, manifest_id) ? n - 1 : n;
}

static int open_record(const struct seal *seal, const struct image_record *record,
	bool with_token, struct account **ret) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r;

	r = seal_decrypt(seal, record->id, record->bytes, record->size, &fields);
	if (r == 0)
		r = account_read(fields, with_token, ret);
	if (r < 0)
		return r;
	/* The nonce: it opened, so there is one. */
	static_assert(ACCOUNT_STAMP_SIZE == CIPHER_NONCE_SIZE, "a stamp is a nonce");
	memcpy((*ret)->stamp, record->bytes + SEAL_TAGS_SIZE, ACCOUNT_STAMP_SIZE);
	return 0;
}

int ledger_find(const struct image *image, const struct seal *seal, const char *url,
	const char *name, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	const struct image_record *record = find_account(image, seal, url, name);
	int r;

	if (!record)
		return -ENOENT;
	r = open_record(seal, record, with_token, &account);
	if (r < 0)
		return r;
	/* The tags are hashes; what is under the seal decides. */
	if (strcmp(account->url, url) != 0 || strcmp(account->name, name) != 0)
		return -EBADMSG;
	*ret = TAKE_PTR(account);
	return 0;
}

int ledger_at(const struct image *image, const struct seal *seal, size_t index,
	struct account **ret) {
	const struct image_record *record = index_at(image->index, index);

	return record ? open_record(seal, record, false, ret) : -ENOENT;
}

int ledger_put(struct image *image, const struct seal *seal, const struct account *account) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	const struct image_record *old = find_account(image, seal, account->url, account->name);
	uint8_t id[IMAGE_ID_SIZE], tags[SEAL_TAGS_SIZE];
	size_t size;
	int r;

	if (old)
		memcpy(id, old->id, IMAGE_ID_SIZE);
	else
		cipher_random(id, IMAGE_ID_SIZE);
	r = account_write(account, &fields);
	if (r == 0)
		r = record_tags(seal, fields, tags);
	if (r < 0)
		return r;
	r = seal_encrypt(seal, id, tags, fields, &bytes, &size);
	if (r < 0)
		return r;
	return image_put(image, id, bytes, size);
}

int ledger_erase(
	struct image *image, const struct seal *seal, const char *url, const char *name) {
	_cleanup_(freep) char *read_name = NULL;
	const struct image_record *record;
	const char *names[] = {name, NULL};
	bool was_there = false;

	if (!name) {
		while ((record = find_url(image, seal, url))) {
			(void) image_erase(image, record->id); /* It was just found. */
			was_there = true;
		}
		return was_there ? 0 : -ENOENT;
	}
	names[1] = read_name = account_read_name(name);
	if (!read_name)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		record = find_account(image, seal, url, names[i]);
		if (!record)
			continue;
		(void) image_erase(image, record->id); /* It was just found. */
		was_there = true;
	}
	return was_there ? 0 : -ENOENT;
}

static int reseal_record(const struct image_record *record, const struct seal *old,
	const struct seal *seal, struct image *image) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t tags[SEAL_TAGS_SIZE];
	size_t size;
	int r;

	r = seal_decrypt(old, record->id, record->bytes, record->size, &fields);
	if (r == 0)
		r = record_tags(old, fields, tags);
	if (r < 0)
		return r;
	/* Found by something that we do not know of: nobody would find it again. */
	if (memcmp(record->bytes, tags, SEAL_TAGS_SIZE) != 0)
		return -ENOTSUP;
	r = record_tags(seal, fields, tags);
	if (r == 0)
		r = seal_encrypt(seal, record->id, tags, fields, &bytes, &size);
	if (r < 0)
		return r;
	return image_put(image, record->id, bytes, size);
}

int ledger_reseal(const struct image *image, const struct seal *old, const struct seal *seal,
	struct image **ret) {
	_cleanup_(image_freep) struct image *resealed = NULL;
	int r;

	r = ledger_new(seal, &resealed);
	if (r < 0)
		return r;
	for (size_t i = 0; i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];

		if (memcmp(record->id, manifest_id, IMAGE_ID_SIZE) == 0)
			continue;
		r = reseal_record(record, old, seal, resealed);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(resealed);
	return 0;
}
