#include "words.h"

#include <stdint.h>
#include <string.h>

#include "protocol/secret.h"

/* Shorter pieces of a token are found by chance, and leave enough of it to be guessed. */
#define PIECE_SIZE 16u
#define TOKEN_SIZE_MIN 8u

char *words_clean(const char *text, size_t size) {
	if (size > WORDS_MAX)
		size = WORDS_MAX;
	if (size == 0)
		return NULL;

	char *copy = malloc(size + 1);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < size; i++)
		copy[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	copy[size] = '\0';
	return copy;
}

char *words_clean_text(const char *text, size_t size, size_t size_max) {
	if (size > size_max)
		size = size_max;
	if (size == 0)
		return NULL;

	char *copy = malloc(size + 1);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		bool is_printable = text[i] >= ' ' && text[i] <= '~';

		copy[i] = is_printable ? text[i] : memchr("\t\n\r", text[i], 3) ? ' ' : '?';
	}
	copy[size] = '\0';
	return copy;
}

bool words_repeat(const void *text, size_t size, const struct secret *token) {
	if (!token || secret_size(token) < TOKEN_SIZE_MIN)
		return false;

	/* What stands behind a scheme, as in `Bearer x`, is all that counts. */
	const uint8_t *bytes = secret_peek(token);
	const uint8_t *end = bytes + secret_size(token);
	const uint8_t *space = memrchr(bytes, ' ', secret_size(token));
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
	/* Before it is cut, since of a token that stands there not even a small piece is to stay. */
	if (words_repeat(text, size, token))
		return NULL;
	return words_clean_text(text, size, size_max);
}
