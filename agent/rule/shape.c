/*
 * crates.io gives out `cio` and 32 letters or digits (crates_io_database,
 * utils/token.rs), and to trusted publishers `cio_tp_`, 31 letters or digits
 * and one check character: the exclusive or of the 31 bytes, modulo 62, in the
 * order A-Z a-z 0-9 (crates_io_trustpub, access_token.rs).
 */

#include "shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "protocol/secret.h"

#define PREFIX "cio"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)
#define BODY_SIZE 32
#define TRUSTED_PREFIX "cio_tp_"
#define TRUSTED_PREFIX_SIZE (sizeof(TRUSTED_PREFIX) - 1)
#define TRUSTED_BODY_SIZE 31

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static bool starts_with(const char *text, size_t size, const char *prefix) {
	return size >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_alphanumeric(const char *text, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (!memchr(digits, text[i], sizeof(digits) - 1))
			return false;
	}
	return true;
}

static const char *shape_of_trusted(const char *body, size_t size) {
	unsigned char check = 0;

	if (size != TRUSTED_BODY_SIZE + 1)
		return "it is not 39 characters long";
	if (!is_alphanumeric(body, size))
		return "it has other characters than letters and digits";
	for (size_t i = 0; i < TRUSTED_BODY_SIZE; i++)
		check ^= (unsigned char) body[i];
	return body[TRUSTED_BODY_SIZE] == digits[check % (sizeof(digits) - 1)]
		? NULL
		: "its check character does not fit: a character was changed";
}

const char *shape_of_crates_io(const struct secret *secret) {
	const char *token = (const char *) secret_peek(secret);
	size_t size = secret_size(secret);

	if (size > 7 && strncasecmp(token, "Bearer ", 7) == 0) {
		token += 7;
		size -= 7;
	}
	if (starts_with(token, size, TRUSTED_PREFIX))
		return shape_of_trusted(token + TRUSTED_PREFIX_SIZE, size - TRUSTED_PREFIX_SIZE);
	if (!starts_with(token, size, PREFIX))
		return "it does not begin with `cio`";
	if (size != PREFIX_SIZE + BODY_SIZE)
		return "it is not 35 characters long";
	return is_alphanumeric(token, size) ? NULL
					    : "it has other characters than letters and digits";
}
