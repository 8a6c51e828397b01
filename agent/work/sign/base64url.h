#pragma once

/* Base64 with `-` and `_` and without padding (RFC 4648, section 5), in constant time. */

#include <stddef.h>
#include <stdint.h>

/* Characters for so many bytes. */
#define BASE64URL_LENGTH(size) (((size) *4 + 2) / 3)

/* Writes BASE64URL_LENGTH(size) characters and a NUL. */
void base64url_write(const void *bytes, size_t size, char *ret);

/*
 * Reads exactly `size` bytes: 0, or -EBADMSG for another length, any other character, padding,
 * or bits that are left over and not zero. What was read by then lies in `ret`.
 */
int base64url_read(const char *text, size_t length, void *ret, size_t size);
