/*
 * A vault that anybody may have written: once as it is, once with the checksum
 * made true, and as a header alone. Whatever is taken is written back as the
 * same bytes, asks no more of Argon2id than it may, and opens with no key.
 */

#include <errno.h>
#include <string.h>

#include "agent/store/cipher.h"
#include "agent/store/image.h"
#include "agent/store/manifest.h"
#include "agent/store/seal.h"
#include "protocol/secret.h"
#include "tests/fuzz/fuzz.h"

static struct seal *try_header(const uint8_t *header, size_t size) {
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct seal *seal = NULL;
	int r;

	r = seal_read(header, size, &seal);
	check(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	if (r < 0)
		return NULL;
	if (seal_kdf(seal)) {
		check(seal_kdf(seal)->memlimit <= SEAL_MEMLIMIT_MAX);
		check(seal_kdf(seal)->memlimit >= CIPHER_KDF_MEMLIMIT_MIN);
		check(seal_kdf(seal)->opslimit >= 1 &&
			seal_kdf(seal)->opslimit <= SEAL_OPSLIMIT_MAX);
	}
	check(secret_new(SEAL_KEY_SIZE, &key) == 0);
	check(seal_open(seal, key) == -EKEYREJECTED);
	check(!seal_is_open(seal));
	return seal;
}

static void try_image(const uint8_t *bytes, size_t size) {
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	_cleanup_(freep) uint8_t *again = NULL;
	uint64_t generation;
	size_t again_size;
	int r;

	r = image_decode(bytes, size, &image);
	check(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	if (r < 0)
		return;
	check(image_encode(image, &again, &again_size) == 0);
	check(again_size == size && memcmp(again, bytes, size) == 0);
	for (size_t i = 0; i < image->n_records; i++)
		check(image_find(image, image->records[i].id) == &image->records[i]);
	seal = try_header(image->header, image->header_size);
	if (seal)
		check(manifest_check(image, seal, &generation) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(freep) uint8_t *copy = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;

	check(cipher_init() == 0);
	try_image(bytes, size);
	seal = try_header(bytes, size);

	copy = malloc(size + CIPHER_HASH_SIZE);
	if (!copy)
		return 0;
	if (size > 0)
		memcpy(copy, bytes, size);
	cipher_hash(copy + size, copy, size);
	try_image(copy, size + CIPHER_HASH_SIZE);
	return 0;
}
