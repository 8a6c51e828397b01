#include "root.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/frame.h"

#define PART "part"
/* What a person sees in a program that lists the keyring. */
#define LABEL "cpub-agent (sealed)"

const struct service_attribute part_root = {PART, "root"};
const struct service_attribute part_record = {PART, "record"};
const struct service_attribute part_key = {PART, "key"};

void root_done(struct root *root) {
	service_items_free(root->items);
	image_free(root->outline);
	*root = (struct root){0};
}

int root_read(struct service *service, struct root *ret) {
	_cleanup_(root_done) struct root root = {0};
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size = 0;
	int r;

	r = service_find(service, STORE_SCHEMA, &part_root, 1, true, &root.items);
	if (r < 0)
		return r;
	if (service_items_n(root.items) == 0)
		return -ENOENT;
	root.error = service_items_n(root.items) > 1 ? -EBADMSG : 0; /* Which one counts? */
	if (root.error == 0) {
		r = service_items_bytes(root.items, 0, &bytes, &size);
		if (r < 0 && r != -EBADMSG && r != -ENOENT)
			return r;
		root.error = r < 0 ? -EBADMSG : image_decode(bytes, size, &root.outline);
	}
	cipher_hash(root.digest, bytes, size);
	*ret = root;
	root = (struct root){0};
	return 0;
}

int root_check(struct service *service, const struct fields *task) {
	_cleanup_(root_done) struct root root = {0};
	const uint8_t *known;
	size_t size;
	bool is_known = fields_get(task, FIELD_DIGEST, &known, &size) == 0;
	int r = root_read(service, &root);

	if (is_known && size != CIPHER_HASH_SIZE)
		return -EINVAL;
	if (r == -ENOENT)
		return is_known ? -ESTALE : 0;
	if (r < 0)
		return r;
	if (!is_known)
		return -EEXIST;
	return root.error == 0 && memcmp(root.digest, known, CIPHER_HASH_SIZE) == 0 ? 0 : -ESTALE;
}

int root_write(struct service *service, const struct image *outline,
	uint8_t ret_digest[CIPHER_HASH_SIZE]) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t digest[CIPHER_HASH_SIZE];
	size_t size;
	int r = image_encode(outline, &bytes, &size);

	if (r < 0)
		return r;
	cipher_hash(digest, bytes, size);
	r = part_write(service, &part_root, LABEL, bytes, size);
	if (r == 0)
		memcpy(ret_digest, digest, CIPHER_HASH_SIZE);
	return r;
}

int part_write(struct service *service, const struct service_attribute *part,
	const char *label, const void *bytes, size_t size) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	int r = service_find(service, STORE_SCHEMA, part, 1, false, &items);

	if (r < 0)
		return r;
	if (service_items_n(items) == 0)
		return service_store(service, STORE_SCHEMA, part, 1, label, bytes, size);
	return service_items_n(items) == 1 ? service_items_replace(items, 0, bytes, size)
					   : -EBADMSG;
}
