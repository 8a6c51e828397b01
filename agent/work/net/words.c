#include "words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/names.h"
#include "protocol/secret.h"

/* Shorter pieces of a token are found by chance, and leave enough of it to be guessed. */
#define PIECE_SIZE 16u
#define TOKEN_SIZE_MIN 8u
/* Of PASETO v3.public, 96 bytes in base64, less what may be of the message as well. */
#define SIGNATURE_SIZE 124

static bool byte_is_printable(char byte) {
	return byte >= ' ' && byte <= '~';
}

/* As it is shown, all of it. NULL if there is no memory. */
static char *words_clean(const char *text, size_t size) {
	char *copy = malloc(size + 1);

	if (!copy)
		return NULL;
	for (size_t i = 0; i < size; i++)
		copy[i] = byte_is_printable(text[i])	 ? text[i]
			  : memchr("\t\n\r", text[i], 3) ? ' '
							 : '?';
	copy[size] = '\0';
	return copy;
}

/* Without all that is cleaned away: who reads the text sees the token across it. */
static char *words_strip(const char *text, size_t size, size_t *ret_size) {
	char *copy = malloc(size + 1);
	size_t n = 0;

	if (!copy)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		if (byte_is_printable(text[i]))
			copy[n++] = text[i];
	}
	copy[n] = '\0';
	*ret_size = n;
	return copy;
}

bool words_repeat(const void *text, size_t size, const struct secret *token) {
	if (!token || secret_size(token) < TOKEN_SIZE_MIN)
		return false;

	/* What stands behind a scheme, as in `Bearer x`, is all that counts. */
	const uint8_t *bytes = secret_peek(token);
	const uint8_t *end = bytes + secret_size(token);
	/* Of one that is signed anew each time all is known but the signature. */
	if (signed_token_is_valid(bytes, secret_size(token))) {
		const uint8_t *dot = memrchr(bytes, '.', secret_size(token));
		end = dot;
		bytes = end - bytes > SIGNATURE_SIZE ? end - SIGNATURE_SIZE : bytes;
	}
	const uint8_t *space = memrchr(bytes, ' ', (size_t) (end - bytes));
	if (space && end - space > (ptrdiff_t) TOKEN_SIZE_MIN)
		bytes = space + 1;

	size_t left = (size_t) (end - bytes);
	size_t piece = left < PIECE_SIZE ? left : PIECE_SIZE;
	for (; left >= piece; bytes++, left--) {
		if (memmem(text, size, bytes, piece))
			return true;
	}
	return false;
}

char *words_tell(const char *text, size_t size, size_t size_max, const struct secret *token) {
	size_t stripped_size;

	if (size == 0)
		return NULL;
	_cleanup_(freep) char *words = words_clean(text, size);
	_cleanup_(freep) char *stripped = words_strip(text, size, &stripped_size);
	if (!words || !stripped)
		return NULL;
	/* Before it is cut: of a token that stands there not even a small piece is to stay. */
	if (words_repeat(text, size, token) || words_repeat(words, size, token) ||
		words_repeat(stripped, stripped_size, token))
		return NULL;
	return strndup(words, size_max);
}
