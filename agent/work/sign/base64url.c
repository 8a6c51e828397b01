#include "base64url.h"

#include <errno.h>
#include <stdbool.h>

#include <sodium.h>

void base64url_write(const void *bytes, size_t size, char *ret) {
	(void) sodium_bin2base64(ret, BASE64URL_LENGTH(size) + 1, bytes, size,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* libsodium 1.0.18 takes some bytes above it for characters. */
static bool is_ascii(const char *text, size_t length) {
	unsigned all = 0;

	for (size_t i = 0; i < length; i++)
		all |= (unsigned char) text[i];
	return all < 0x80;
}

int base64url_read(const char *text, size_t length, void *ret, size_t size) {
	size_t n;

	if (length != BASE64URL_LENGTH(size) || !is_ascii(text, length) ||
		sodium_base642bin(ret, size, text, length, NULL, &n, NULL,
			sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0)
		return -EBADMSG;
	return n == size ? 0 : -EBADMSG;
}
