#include "paseto.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/sign/base64url.h"
#include "agent/work/sign/p384.h"
#include "protocol/secret.h"

#define HEADER "v3.public."
#define HEADER_SIZE (sizeof(HEADER) - 1)

struct piece {
	const void *bytes;
	size_t size;
};

static struct piece piece_of(const char *text) {
	return (struct piece){text, strlen(text)};
}

static uint8_t *put_number(uint8_t *at, uint64_t number) {
	for (size_t i = 0; i < sizeof(number); i++)
		*at++ = (uint8_t) (number >> (8 * i));
	return at;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size) {
	memcpy(at, bytes, size);
	return at + size;
}

/* Pre-authentication encoding (Common.md): no two lists of pieces read the same. Caller frees. */
static int encode(const struct piece *pieces, size_t n_pieces, uint8_t **ret, size_t *ret_size) {
	size_t size = sizeof(uint64_t);

	for (size_t i = 0; i < n_pieces; i++)
		size += sizeof(uint64_t) + pieces[i].size;
	uint8_t *bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	uint8_t *at = put_number(bytes, n_pieces);
	for (size_t i = 0; i < n_pieces; i++)
		at = put(put_number(at, pieces[i].size), pieces[i].bytes, pieces[i].size);
	*ret = bytes;
	*ret_size = size;
	return 0;
}

/* The token: header, then message and signature as one, then the footer if there is one. */
static int write_token(struct piece message, const uint8_t signature[P384_SIGNATURE_SIZE],
	struct piece footer, struct secret **ret) {
	_cleanup_(freep) uint8_t *body = malloc(message.size + P384_SIGNATURE_SIZE);
	_cleanup_(secret_freep) struct secret *token = NULL;
	const size_t body_size = message.size + P384_SIGNATURE_SIZE;
	size_t size = HEADER_SIZE + BASE64URL_LENGTH(body_size);

	if (!body)
		return -ENOMEM;
	(void) put(put(body, message.bytes, message.size), signature, P384_SIGNATURE_SIZE);
	if (footer.size > 0)
		size += 1 + BASE64URL_LENGTH(footer.size);
	int r = secret_new(size + 1, &token); /* A NUL is written as well. */
	if (r < 0)
		return r;
	char *at = (char *) put(secret_bytes(token), HEADER, HEADER_SIZE);
	base64url_write(body, body_size, at);
	if (footer.size > 0) {
		at += BASE64URL_LENGTH(body_size);
		*at++ = '.';
		base64url_write(footer.bytes, footer.size, at);
	}
	secret_shrink(token, size);
	*ret = TAKE_PTR(token);
	return 0;
}

int paseto_sign(const struct p384_key *key, const char *message, const char *footer,
	const char *assertion, struct secret **ret) {
	/* In version 3 the public key comes first: a signature holds for one key only. */
	const struct piece pieces[] = {{p384_key_point(key), P384_POINT_SIZE}, piece_of(HEADER),
		piece_of(message), piece_of(footer), piece_of(assertion)};
	_cleanup_(freep) uint8_t *all = NULL;
	uint8_t signature[P384_SIGNATURE_SIZE];
	size_t size;

	int r = encode(pieces, sizeof(pieces) / sizeof(pieces[0]), &all, &size);
	if (r == 0)
		r = p384_key_sign(key, all, size, signature);
	return r < 0 ? r : write_token(piece_of(message), signature, piece_of(footer), ret);
}
