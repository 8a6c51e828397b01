#include "seal.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/fields.h"
#include "cipher.h"
#include "image.h"
#include "protocol/secret.h"

#define FORMAT 1
#define NAME_SIZE 16
#define WRAPPED_SIZE (SEAL_KEY_SIZE + CIPHER_AUTH_SIZE)

/* Tags in the header; never given another meaning. */
enum tag {
	TAG_FORMAT = 1,
	TAG_NAME,
	TAG_TAG_SALT,
	/* The passphrase slot; further kinds of slot get their own ranges. */
	TAG_PASSPHRASE_SALT = 32,
	TAG_PASSPHRASE_OPSLIMIT,
	TAG_PASSPHRASE_MEMLIMIT,
	TAG_PASSPHRASE_NONCE,
	TAG_PASSPHRASE_WRAPPED,
	/* The open slot. */
	TAG_OPEN_NONCE = 48,
	TAG_OPEN_WRAPPED,
};

enum slot {
	SLOT_NONE,
	SLOT_PASSPHRASE,
	SLOT_OPEN,
};

struct seal {
	uint8_t *header;
	size_t header_size;
	uint8_t header_hash[CIPHER_HASH_SIZE];
	uint8_t name[NAME_SIZE];
	uint8_t tag_salt[SEAL_TAG_SALT_SIZE];
	enum slot slot;
	struct kdf kdf; /* zeros but for a passphrase */
	uint8_t slot_nonce[CIPHER_NONCE_SIZE];
	uint8_t slot_wrapped[WRAPPED_SIZE];
	struct secret *key;
};

void kdf_init(struct kdf *kdf) {
	cipher_random(kdf->salt, sizeof(kdf->salt));
	kdf->opslimit = CIPHER_KDF_OPSLIMIT;
	kdf->memlimit = CIPHER_KDF_MEMLIMIT;
}

/* What is bound to a wrapped key: its store and how the wrapping key was made. */
struct slot_binding {
	uint8_t label[16];
	uint8_t name[NAME_SIZE];
	uint8_t salt[SEAL_SALT_SIZE];
	uint64_t opslimit;
	uint64_t memlimit;
};

static struct slot_binding bind_slot(const struct seal *seal) {
	struct slot_binding binding = {.label = "cpub slot 1"};

	if (seal->slot == SLOT_OPEN)
		memcpy(binding.label, "cpub slot 2", sizeof("cpub slot 2"));
	memcpy(binding.name, seal->name, NAME_SIZE);
	memcpy(binding.salt, seal->kdf.salt, SEAL_SALT_SIZE);
	binding.opslimit = htole64(seal->kdf.opslimit);
	binding.memlimit = htole64(seal->kdf.memlimit);
	return binding;
}

/* And what is bound to a record. */
struct record_binding {
	uint8_t label[16];
	uint8_t header_hash[CIPHER_HASH_SIZE];
	uint8_t id[IMAGE_ID_SIZE];
	uint8_t tags[SEAL_TAGS_SIZE];
};

static struct record_binding bind_record(
	const struct seal *seal, const uint8_t *id, const uint8_t *tags) {
	struct record_binding binding = {.label = "cpub record 1"};

	memcpy(binding.header_hash, seal->header_hash, CIPHER_HASH_SIZE);
	memcpy(binding.id, id, IMAGE_ID_SIZE);
	memcpy(binding.tags, tags, SEAL_TAGS_SIZE);
	return binding;
}

static void wrap_key(struct seal *seal, const struct secret *slot_key) {
	struct slot_binding binding = bind_slot(seal);

	cipher_random(seal->slot_nonce, CIPHER_NONCE_SIZE);
	cipher_encrypt(seal->slot_wrapped, secret_peek(seal->key), SEAL_KEY_SIZE, &binding,
		sizeof(binding), seal->slot_nonce, slot_key);
}

static int unwrap_key(
	const struct seal *seal, const struct secret *slot_key, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct slot_binding binding = bind_slot(seal);
	int r;

	if (seal->slot == SLOT_NONE || secret_size(slot_key) != SEAL_KEY_SIZE)
		return -EKEYREJECTED;
	r = secret_new(SEAL_KEY_SIZE, &key);
	if (r < 0)
		return r;
	if (cipher_decrypt(secret_bytes(key), seal->slot_wrapped, WRAPPED_SIZE, &binding,
		    sizeof(binding), seal->slot_nonce, slot_key) < 0)
		return -EKEYREJECTED;
	*ret = TAKE_PTR(key);
	return 0;
}

static int keep_header(struct seal *seal, const void *header, size_t size) {
	seal->header = malloc(size);
	if (!seal->header)
		return -ENOMEM;
	memcpy(seal->header, header, size);
	seal->header_size = size;
	cipher_hash(seal->header_hash, header, size);
	return 0;
}

static int write_header(struct seal *seal) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r;

	r = fields_new(&fields);
	if (r < 0)
		return r;
	r = fields_put_u64(fields, TAG_FORMAT, FORMAT);
	if (r == 0)
		r = fields_put(fields, TAG_NAME, seal->name, NAME_SIZE);
	if (r == 0)
		r = fields_put(fields, TAG_TAG_SALT, seal->tag_salt, sizeof(seal->tag_salt));
	if (r == 0 && seal->slot == SLOT_OPEN) {
		r = fields_put(fields, TAG_OPEN_NONCE, seal->slot_nonce, CIPHER_NONCE_SIZE);
		if (r == 0)
			r = fields_put(fields, TAG_OPEN_WRAPPED, seal->slot_wrapped, WRAPPED_SIZE);
	}
	if (r == 0 && seal->slot == SLOT_PASSPHRASE) {
		r = fields_put(fields, TAG_PASSPHRASE_SALT, seal->kdf.salt, SEAL_SALT_SIZE);
		if (r == 0)
			r = fields_put_u64(fields, TAG_PASSPHRASE_OPSLIMIT, seal->kdf.opslimit);
		if (r == 0)
			r = fields_put_u64(fields, TAG_PASSPHRASE_MEMLIMIT, seal->kdf.memlimit);
		if (r == 0)
			r = fields_put(fields, TAG_PASSPHRASE_NONCE, seal->slot_nonce, CIPHER_NONCE_SIZE);
		if (r == 0)
			r = fields_put(
				fields, TAG_PASSPHRASE_WRAPPED, seal->slot_wrapped, WRAPPED_SIZE);
	}
	if (r < 0)
		return r;
	return keep_header(seal, fields_bytes(fields), fields_size(fields));
}

int seal_new(const struct kdf *kdf, const struct secret *slot_key, struct seal **ret) {
	_cleanup_(seal_freep) struct seal *seal = NULL;
	int r;

	assert(!kdf || slot_key);
	seal = calloc(1, sizeof(*seal));
	if (!seal)
		return -ENOMEM;
	r = secret_new(SEAL_KEY_SIZE, &seal->key);
	if (r < 0)
		return r;
	cipher_random(secret_bytes(seal->key), SEAL_KEY_SIZE);
	cipher_random(seal->name, NAME_SIZE);
	cipher_random(seal->tag_salt, sizeof(seal->tag_salt));
	if (slot_key) {
		if (secret_size(slot_key) != SEAL_KEY_SIZE)
			return -EINVAL;
		seal->slot = kdf ? SLOT_PASSPHRASE : SLOT_OPEN;
		if (kdf)
			seal->kdf = *kdf;
		wrap_key(seal, slot_key);
	}
	r = write_header(seal);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(seal);
	return 0;
}

/* Takes a value of exactly that size. */
static int read_exactly(const struct fields *fields, enum tag tag, void *to, size_t size) {
	const uint8_t *bytes;
	size_t n;
	int r;

	r = fields_get(fields, (uint8_t) tag, &bytes, &n);
	if (r < 0 || n != size)
		return -EBADMSG;
	memcpy(to, bytes, size);
	return 0;
}

static int read_open_slot(const struct fields *fields, struct seal *seal) {
	int r = read_exactly(fields, TAG_OPEN_NONCE, seal->slot_nonce, CIPHER_NONCE_SIZE);

	if (r == 0)
		r = read_exactly(fields, TAG_OPEN_WRAPPED, seal->slot_wrapped, WRAPPED_SIZE);
	if (r == 0)
		seal->slot = SLOT_OPEN;
	return r;
}

static bool has_tag(const struct fields *fields, enum tag tag) {
	const uint8_t *bytes;
	size_t size;

	return fields_get(fields, (uint8_t) tag, &bytes, &size) == 0;
}

static int read_slot(const struct fields *fields, struct seal *seal) {
	bool has_passphrase = has_tag(fields, TAG_PASSPHRASE_SALT);
	int r;

	if (has_tag(fields, TAG_OPEN_NONCE)) /* One or the other: what opens it must be plain. */
		return has_passphrase ? -EBADMSG : read_open_slot(fields, seal);
	if (!has_passphrase)
		return 0;
	r = read_exactly(fields, TAG_PASSPHRASE_SALT, seal->kdf.salt, SEAL_SALT_SIZE);
	if (r == 0)
		r = fields_get_u64(fields, TAG_PASSPHRASE_OPSLIMIT, &seal->kdf.opslimit);
	if (r == 0)
		r = fields_get_u64(fields, TAG_PASSPHRASE_MEMLIMIT, &seal->kdf.memlimit);
	if (r == 0)
		r = read_exactly(fields, TAG_PASSPHRASE_NONCE, seal->slot_nonce, CIPHER_NONCE_SIZE);
	if (r == 0)
		r = read_exactly(fields, TAG_PASSPHRASE_WRAPPED, seal->slot_wrapped, WRAPPED_SIZE);
	if (r < 0)
		return -EBADMSG;
	if (seal->kdf.opslimit < 1 || seal->kdf.opslimit > SEAL_OPSLIMIT_MAX ||
		seal->kdf.memlimit < CIPHER_KDF_MEMLIMIT_MIN ||
		seal->kdf.memlimit > SEAL_MEMLIMIT_MAX)
		return -EBADMSG;
	seal->slot = SLOT_PASSPHRASE;
	return 0;
}

int seal_read(const void *header, size_t size, struct seal **ret) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	uint64_t format;
	int r;

	r = fields_parse(header, size, &fields);
	if (r < 0)
		return r == -ENOMEM ? r : -EBADMSG;
	r = fields_get_u64(fields, TAG_FORMAT, &format);
	if (r < 0)
		return -EBADMSG;
	if (format != FORMAT)
		return format > FORMAT ? -ENOTSUP : -EBADMSG;
	seal = calloc(1, sizeof(*seal));
	if (!seal)
		return -ENOMEM;
	r = read_exactly(fields, TAG_NAME, seal->name, NAME_SIZE);
	if (r == 0)
		r = read_exactly(fields, TAG_TAG_SALT, seal->tag_salt, sizeof(seal->tag_salt));
	if (r == 0)
		r = read_slot(fields, seal);
	if (r == 0)
		r = keep_header(seal, header, size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(seal);
	return 0;
}

struct seal *seal_free(struct seal *seal) {
	if (!seal)
		return NULL;
	secret_free(seal->key);
	free(seal->header);
	free(seal);
	return NULL;
}

const uint8_t *seal_header(const struct seal *seal, size_t *ret_size) {
	*ret_size = seal->header_size;
	return seal->header;
}

const struct kdf *seal_kdf(const struct seal *seal) {
	return seal->slot == SLOT_PASSPHRASE ? &seal->kdf : NULL;
}

bool seal_has_open_slot(const struct seal *seal) {
	return seal->slot == SLOT_OPEN;
}

const uint8_t *seal_tag_salt(const struct seal *seal) {
	return seal->tag_salt;
}

int seal_open(struct seal *seal, const struct secret *slot_key) {
	struct secret *key;
	int r;

	r = unwrap_key(seal, slot_key, &key);
	if (r < 0)
		return r;
	secret_free(seal->key);
	seal->key = key;
	return 0;
}

int seal_check(const struct seal *seal, const struct secret *slot_key) {
	_cleanup_(secret_freep) struct secret *key = NULL;

	return unwrap_key(seal, slot_key, &key);
}

void seal_close(struct seal *seal) {
	seal->key = secret_free(seal->key);
}

bool seal_is_open(const struct seal *seal) {
	return seal->key;
}

int seal_tags(const struct seal *seal, const char *url, const char *account,
	uint8_t ret[SEAL_TAGS_SIZE]) {
	_cleanup_(freep) char *both = NULL;
	size_t url_size = strlen(url), size;

	memset(ret, 0, SEAL_TAGS_SIZE);
	cipher_tag(ret, SEAL_TAG_SIZE, seal->tag_salt, url, url_size);
	if (!account)
		return 0;
	/* The NUL between both keeps "ab"+"c" and "a"+"bc" apart. */
	size = url_size + 1 + strlen(account);
	both = malloc(size + 1);
	if (!both)
		return -ENOMEM;
	memcpy(both, url, url_size + 1);
	memcpy(both + url_size + 1, account, strlen(account) + 1);
	cipher_tag(ret + SEAL_TAG_SIZE, SEAL_TAG_SIZE, seal->tag_salt, both, size);
	return 0;
}

int seal_encrypt(const struct seal *seal, const uint8_t *id, const uint8_t *tags,
	const struct fields *fields, uint8_t **ret, size_t *ret_size) {
	static const uint8_t no_tags[SEAL_TAGS_SIZE];
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct record_binding binding;
	size_t size = SEAL_TAGS_SIZE + CIPHER_NONCE_SIZE + fields_size(fields) + CIPHER_AUTH_SIZE;
	uint8_t *nonce;

	if (!seal->key)
		return -ENOKEY;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, tags ? tags : no_tags, SEAL_TAGS_SIZE);
	binding = bind_record(seal, id, bytes);
	nonce = bytes + SEAL_TAGS_SIZE;
	cipher_random(nonce, CIPHER_NONCE_SIZE);
	cipher_encrypt(nonce + CIPHER_NONCE_SIZE, fields_bytes(fields), fields_size(fields),
		&binding, sizeof(binding), nonce, seal->key);
	*ret = TAKE_PTR(bytes);
	*ret_size = size;
	return 0;
}

int seal_decrypt(const struct seal *seal, const uint8_t *id, const uint8_t *bytes, size_t size,
	struct fields **ret) {
	_cleanup_(secret_freep) struct secret *plain = NULL;
	const uint8_t *nonce = bytes + SEAL_TAGS_SIZE;
	struct record_binding binding;
	int r;

	if (!seal->key)
		return -ENOKEY;
	if (size <= SEAL_TAGS_SIZE + CIPHER_NONCE_SIZE + CIPHER_AUTH_SIZE)
		return -EBADMSG;
	binding = bind_record(seal, id, bytes);
	size -= SEAL_TAGS_SIZE + CIPHER_NONCE_SIZE;
	r = secret_new(size - CIPHER_AUTH_SIZE, &plain);
	if (r < 0)
		return r;
	r = cipher_decrypt(secret_bytes(plain), nonce + CIPHER_NONCE_SIZE, size, &binding,
		sizeof(binding), nonce, seal->key);
	if (r < 0)
		return r;
	return fields_parse(secret_peek(plain), secret_size(plain), ret);
}
