#include "ledger.h"

#include <errno.h>
#include <string.h>

#include "agent/account.h"
#include "agent/fields.h"
#include "cipher.h"
#include "image.h"
#include "manifest.h"
#include "seal.h"

/* Tags stand at the front of a record, in the clear. */
static bool has_tags(const struct image_record *record, const uint8_t *tags, size_t size) {
	return record->size > SEAL_TAGS_SIZE && memcmp(record->bytes, tags, size) == 0 &&
		memcmp(record->id, manifest_id, IMAGE_ID_SIZE) != 0;
}

static const struct image_record *find_tags(
	const struct image *image, const uint8_t *tags, size_t size) {
	for (size_t i = 0; i < image->n_records; i++) {
		if (has_tags(&image->records[i], tags, size))
			return &image->records[i];
	}
	return NULL;
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

bool ledger_has_url(const struct image *image, const struct seal *seal, const char *url) {
	return find_url(image, seal, url);
}

size_t ledger_n_accounts(const struct image *image) {
	size_t n = image->n_records;

	return image_find(image, manifest_id) ? n - 1 : n;
}

static int open_record(const struct seal *seal, const struct image_record *record,
	bool with_token, struct account **ret) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r;

	r = seal_decrypt(seal, record->id, record->bytes, record->size, &fields);
	if (r < 0)
		return r;
	return account_read(fields, with_token, ret);
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
	for (size_t i = 0; i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];

		if (memcmp(record->id, manifest_id, IMAGE_ID_SIZE) == 0)
			continue;
		if (index-- == 0)
			return open_record(seal, record, false, ret);
	}
	return -ENOENT;
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
	r = seal_tags(seal, account->url, account->name, tags);
	if (r == 0)
		r = account_write(account, &fields);
	if (r < 0)
		return r;
	r = seal_encrypt(seal, id, tags, fields, &bytes, &size);
	if (r < 0)
		return r;
	return image_put(image, id, bytes, size);
}

int ledger_erase(
	struct image *image, const struct seal *seal, const char *url, const char *name) {
	const struct image_record *record = find_account(image, seal, url, name);

	return record ? image_erase(image, record->id) : -ENOENT;
}
