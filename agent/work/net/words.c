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

bool words_repeat(const void *text, size_t size, const struct secret *token) {
	if (!token || secret_size(token) < TOKEN_SIZE_MIN)
		return false;

	const uint8_t *bytes = secret_peek(token);
	size_t piece = secret_size(token) < PIECE_SIZE ? secret_size(token) : PIECE_SIZE;
	for (size_t i = 0; i + piece <= secret_size(token); i++) {
		if (memmem(text, size, bytes + i, piece))
			return true;
	}
	return false;
}
