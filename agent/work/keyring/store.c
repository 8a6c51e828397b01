#include "store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/cipher.h"
#include "agent/store/image.h"
#include "agent/store/manifest.h"
#include "agent/work/frame.h"
#include "agent/work/worker.h"
#include "protocol/secret.h"
#include "root.h"

/* What a person sees in a program that lists the keyring. */
#define LABEL "cpub-agent (sealed)"
#define LABEL_KEY "cpub-agent (key)"
#define ID_TEXT_SIZE (2 * IMAGE_ID_SIZE + 1)
#define HASH_TEXT_SIZE (2 * CIPHER_HASH_SIZE + 1)
#define KEY_SIZE 32
/* How often a load begins again because another program is changing the store. */
#define LOAD_TRIES 5
/* How much of what a crash left a load removes, since somebody waits for it. */
#define CLEAN_MAX 16

static void write_hex(char *to, const uint8_t *bytes, size_t size) {
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
	}
	*to = '\0';
}

/* The attributes by which the item of a record is found. */
struct name {
	char id[ID_TEXT_SIZE];
	char hash[HASH_TEXT_SIZE];
};

static struct name name_of(const uint8_t *id, const uint8_t *hash) {
	struct name name;

	write_hex(name.id, id, IMAGE_ID_SIZE);
	write_hex(name.hash, hash, CIPHER_HASH_SIZE);
	return name;
}

static bool has_name(const struct service_items *items, size_t i, const struct name *name) {
	const char *id = service_items_attribute(items, i, "id");
	const char *hash = service_items_attribute(items, i, "hash");

	return id && hash && strcmp(id, name->id) == 0 && strcmp(hash, name->hash) == 0;
}

/* Lies in the root itself: it changes with every save, and a keyring takes its time for each item. */
static bool is_manifest(const struct image_record *record) {
	return memcmp(record->id, manifest_id, IMAGE_ID_SIZE) == 0;
}

/* The place of a record's item from `i` on, or one behind the last. */
static size_t find_name(
	const struct service_items *items, const struct name *name, size_t i) {
	while (i < service_items_n(items) && !has_name(items, i, name))
		i++;
	return i;
}

/* The same header and manifest, and for each other record the hash of it. Caller frees *ret. */
static int make_outline(const struct image *image, struct image **ret) {
	_cleanup_(image_freep) struct image *outline = NULL;
	int r = image_new(&outline);

	if (r == 0)
		r = image_set_header(outline, image->header, image->header_size);
	for (size_t i = 0; r == 0 && i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];
		uint8_t hash[CIPHER_HASH_SIZE];

		cipher_hash(hash, record->bytes, record->size);
		r = is_manifest(record)
			? image_put(outline, record->id, record->bytes, record->size)
			: image_put(outline, record->id, hash, sizeof(hash));
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(outline);
	return 0;
}

/* Removes items of records that the outline does not name, `n_max` of them at most. */
static int remove_others(
	const struct image *outline, const struct service_items *items, size_t n_max) {
	for (size_t i = 0; i < service_items_n(items) && n_max > 0; i++) {
		bool is_named = false;
		int r;

		for (size_t j = 0; !is_named && j < outline->n_records; j++) {
			struct name name;

			if (is_manifest(&outline->records[j]))
				continue;
			name = name_of(outline->records[j].id, outline->records[j].bytes);
			is_named = has_name(items, i, &name);
		}
		if (is_named)
			continue;
		r = service_items_delete(items, i);
		if (r < 0)
			return r;
		n_max--;
		worker_tell_progress();
	}
	return 0;
}

static int take_record(const struct service_items *items, const struct image_record *outlined,
	struct image *image) {
	uint8_t hash[CIPHER_HASH_SIZE];
	struct name name;
	size_t size, at;
	int r;

	if (is_manifest(outlined))
		return image_put(image, outlined->id, outlined->bytes, outlined->size);
	if (outlined->size != CIPHER_HASH_SIZE)
		return -EBADMSG;
	name = name_of(outlined->id, outlined->bytes);
	/* Another program may have put one of the same name beside it. */
	for (at = find_name(items, &name, 0); at < service_items_n(items);
		at = find_name(items, &name, at + 1)) {
		_cleanup_(freep) uint8_t *bytes = NULL;

		r = service_items_bytes(items, at, &bytes, &size);
		if (r == -EBADMSG || r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		cipher_hash(hash, bytes, size);
		if (memcmp(hash, outlined->bytes, CIPHER_HASH_SIZE) == 0)
			return image_put(image, outlined->id, bytes, size);
	}
	return -EBADMSG;
}

static int take_all(const struct service_items *items, const struct image *outline,
	struct image **ret) {
	_cleanup_(image_freep) struct image *image = NULL;
	int r = image_new(&image);

	if (r == 0)
		r = image_set_header(image, outline->header, outline->header_size);
	for (size_t i = 0; r == 0 && i < outline->n_records; i++)
		r = take_record(items, &outline->records[i], image);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(image);
	return 0;
}

/* What a save that was cut short has left. A failure here waits for the next save. */
static void clean(struct service *service, const struct root *root) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(root_done) struct root now = {0};

	if (service_lock(service) < 0 || root_read(service, &now) < 0 ||
		memcmp(now.digest, root->digest, CIPHER_HASH_SIZE) != 0 ||
		service_find(service, STORE_SCHEMA, &part_record, 1, false, &items) < 0)
		return;
	(void) remove_others(root->outline, items, CLEAN_MAX);
}

/* 0, -EAGAIN if the root was replaced meanwhile, or what is wrong. */
static int load_once(
	struct service *service, struct image **ret, uint8_t ret_digest[CIPHER_HASH_SIZE]) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(root_done) struct root root = {0}, after = {0};
	int r = root_read(service, &root);

	if (r < 0 || root.error < 0)
		return r < 0 ? r : root.error;
	r = service_find(service, STORE_SCHEMA, &part_record, 1, true, &items);
	if (r == 0)
		r = take_all(items, root.outline, ret);
	if (r == -EBADMSG) {
		/* Damaged, or just being changed? */
		if (root_read(service, &after) == 0 &&
			memcmp(after.digest, root.digest, CIPHER_HASH_SIZE) == 0)
			return r;
		return -EAGAIN;
	}
	if (r < 0)
		return r;
	memcpy(ret_digest, root.digest, CIPHER_HASH_SIZE);
	if (service_items_n(items) + 1 > root.outline->n_records)
		clean(service, &root);
	return 0;
}

static int write_all(int file, const uint8_t *bytes, size_t size) {
	while (size > 0) {
		ssize_t n = write(file, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		size -= (size_t) n;
	}
	return 0;
}

static int read_image(int file, struct image **ret) {
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct stat status;
	size_t size, at = 0;

	if (fstat(file, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || (size_t) status.st_size > IMAGE_SIZE_MAX)
		return -EINVAL;
	size = (size_t) status.st_size;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	while (at < size) {
		ssize_t n = pread(file, bytes + at, size - at, (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t) n;
	}
	return image_decode(bytes, size, ret);
}

int store_items_load(
	struct service *service, const struct fields *task, int file, struct fields *answer) {
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	uint8_t digest[CIPHER_HASH_SIZE];
	size_t size;
	int r = -EAGAIN;

	(void) task;
	for (int i = 0; (r == -EAGAIN || r == -EIO) && i < LOAD_TRIES; i++)
		r = load_once(service, &image, digest);
	if (r < 0)
		return r == -EAGAIN ? -EBUSY : r;
	r = image_encode(image, &bytes, &size);
	if (r == 0)
		r = write_all(file, bytes, size);
	return r < 0 ? r : fields_put(answer, FIELD_DIGEST, digest, sizeof(digest));
}

static int save_key(struct service *service, const struct fields *task) {
	const uint8_t *key;
	size_t size;

	if (fields_get(task, FIELD_KEY, &key, &size) < 0)
		return 0;
	return part_write(service, &part_key, LABEL_KEY, key, size);
}

static int save_records(struct service *service, const struct image *image,
	const struct image *outline, const struct service_items *there) {
	for (size_t i = 0; i < image->n_records; i++) {
		const struct image_record *record = &image->records[i];
		struct name name = {0};
		const struct service_attribute attributes[] = {
			part_record, {"id", name.id}, {"hash", name.hash}};
		int r;

		if (is_manifest(record))
			continue;
		name = name_of(record->id, outline->records[i].bytes);
		if (find_name(there, &name, 0) < service_items_n(there))
			continue;
		r = service_store(
			service, STORE_SCHEMA, attributes, 3, LABEL, record->bytes, record->size);
		if (r < 0)
			return r;
		worker_tell_progress();
	}
	return 0;
}

static int save_root(
	struct service *service, const struct image *outline, struct fields *answer) {
	uint8_t digest[CIPHER_HASH_SIZE];
	int r = root_write(service, outline, digest);

	worker_tell_progress();
	return r < 0 ? r : fields_put(answer, FIELD_DIGEST, digest, sizeof(digest));
}

static int erase_all(struct service *service, const struct service_attribute *attribute) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	int r = service_find(service, STORE_SCHEMA, attribute, 1, false, &items);

	for (size_t i = 0; r == 0 && i < service_items_n(items); i++)
		r = service_items_delete(items, i);
	return r;
}

int store_items_save(
	struct service *service, const struct fields *task, int file, struct fields *answer) {
	_cleanup_(image_freep) struct image *image = NULL, *outline = NULL;
	_cleanup_(service_items_freep) struct service_items *there = NULL;
	uint64_t keeps_key = 0;
	int r = read_image(file, &image);

	if (r == 0)
		r = make_outline(image, &outline);
	if (r == 0)
		r = service_lock(service);
	if (r == 0)
		r = root_check(service, task);
	if (r == 0)
		r = service_find(service, STORE_SCHEMA, &part_record, 1, false, &there);
	if (r == 0)
		r = save_key(service, task);
	if (r == 0)
		r = save_records(service, image, outline, there);
	if (r < 0)
		return r; /* The old root is there, and knows nothing of the new records. */
	r = save_root(service, outline, answer);
	if (r < 0)
		return r == -EBADMSG ? r : -EINPROGRESS;
	/* Saved. What is left over is no failure any more: the next load or save removes it. */
	(void) remove_others(outline, there, SIZE_MAX);
	(void) fields_get_u64(task, FIELD_KEEPS_KEY, &keeps_key); /* Absent: it goes. */
	if (!keeps_key)
		(void) erase_all(service, &part_key);
	return 0;
}

int store_items_erase(struct service *service, const struct fields *task) {
	_cleanup_(root_done) struct root root = {0};
	int r = service_lock(service);

	if (r == 0)
		r = root_read(service, &root);
	if (r == -ENOENT) /* Erased already; what is left of it goes too. */
		r = 0;
	else if (r == 0)
		r = root_check(service, task);
	if (r == 0)
		r = erase_all(service, &part_root);
	if (r == 0)
		r = erase_all(service, &part_record);
	return r == 0 ? erase_all(service, &part_key) : r;
}

int store_items_load_key(struct service *service, struct fields *answer) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size;
	int r = service_find(service, STORE_SCHEMA, &part_key, 1, true, &items);

	if (r < 0)
		return r;
	if (service_items_n(items) != 1)
		return service_items_n(items) == 0 ? -ENOENT : -EBADMSG;
	r = service_items_bytes(items, 0, &bytes, &size);
	if (r < 0)
		return r;
	r = size == KEY_SIZE ? fields_put(answer, FIELD_KEY, bytes, size) : -EBADMSG;
	explicit_bzero(bytes, size);
	return r;
}
