#include "paserk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/secret.h"

#define HEADER_SIZE (sizeof(PASERK_SECRET) - 1)

static int scalar_read(const struct secret *text, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *scalar = NULL;
	const char *bytes = (const char *) secret_peek(text);
	size_t size = secret_size(text);

	if (size < HEADER_SIZE || memcmp(bytes, PASERK_SECRET, HEADER_SIZE) != 0)
		return -EBADMSG;
	int r = secret_new(P384_SCALAR_SIZE, &scalar);
	if (r < 0)
		return r;
	r = base64url_read(
		bytes + HEADER_SIZE, size - HEADER_SIZE, secret_bytes(scalar), P384_SCALAR_SIZE);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(scalar);
	return 0;
}

static int point_read(const char *text, uint8_t ret[P384_POINT_SIZE]) {
	const size_t header = strlen(PASERK_PUBLIC);

	if (strncmp(text, PASERK_PUBLIC, header) != 0)
		return -EBADMSG;
	return base64url_read(text + header, strlen(text + header), ret, P384_POINT_SIZE);
}

int paserk_read_secret(const struct secret *text, struct p384_key **ret) {
	_cleanup_(secret_freep) struct secret *scalar = NULL;

	int r = scalar_read(text, &scalar);
	return r < 0 ? r : p384_key_from_scalar(scalar, ret);
}

int paserk_read_pair(const struct secret *text, const char *public, struct p384_key **ret) {
	_cleanup_(secret_freep) struct secret *scalar = NULL;
	uint8_t point[P384_POINT_SIZE];

	int r = scalar_read(text, &scalar);
	if (r == 0)
		r = point_read(public, point);
	return r < 0 ? r : p384_key_from_pair(scalar, point, ret);
}

int paserk_write_secret(const struct p384_key *key, struct secret **ret) {
	const size_t size = HEADER_SIZE + BASE64URL_LENGTH(P384_SCALAR_SIZE);
	_cleanup_(secret_freep) struct secret *text = NULL;

	int r = secret_new(size + 1, &text);
	if (r < 0)
		return r;
	memcpy(secret_bytes(text), PASERK_SECRET, HEADER_SIZE);
	base64url_write(secret_peek(p384_key_scalar(key)), P384_SCALAR_SIZE,
		(char *) secret_bytes(text) + HEADER_SIZE);
	secret_shrink(text, size);
	*ret = TAKE_PTR(text);
	return 0;
}

void paserk_write_public(const uint8_t point[P384_POINT_SIZE], char ret[PASERK_PUBLIC_SIZE]) {
	memcpy(ret, PASERK_PUBLIC, sizeof(PASERK_PUBLIC));
	base64url_write(point, P384_POINT_SIZE, ret + sizeof(PASERK_PUBLIC) - 1);
}

int paserk_write_id(const char public[PASERK_PUBLIC_SIZE], char ret[PASERK_ID_SIZE]) {
	char text[sizeof(PASERK_ID) + PASERK_PUBLIC_SIZE];
	uint8_t hash[SHA384_SIZE];
	int size = snprintf(text, sizeof(text), "%s%s", PASERK_ID, public);

	int r = sha384(text, (size_t) size, hash);
	if (r < 0)
		return r;
	memcpy(ret, PASERK_ID, sizeof(PASERK_ID));
	base64url_write(hash, PASERK_HASH_SIZE, ret + sizeof(PASERK_ID) - 1);
	return 0;
}
