/* Which of two versions is the higher one: Semantic Versioning 2.0.0, section 11. */

#include <string.h>

#include "names.h"

#define DIGITS "0123456789"

/* Numbers without leading zeros: the longer one is the larger one, whatever its size. */
static int compare_numbers(const char *a, size_t a_size, const char *b, size_t b_size) {
	if (a_size != b_size)
		return a_size < b_size ? -1 : 1;
	return memcmp(a, b, a_size);
}

static int compare_texts(const char *a, size_t a_size, const char *b, size_t b_size) {
	int r = memcmp(a, b, a_size < b_size ? a_size : b_size);

	if (r != 0 || a_size == b_size)
		return r;
	return a_size < b_size ? -1 : 1;
}

/* Numbers are lower than words. */
static int compare_identifiers(const char *a, size_t a_size, const char *b, size_t b_size) {
	bool a_is_number = strspn(a, DIGITS) >= a_size, b_is_number = strspn(b, DIGITS) >= b_size;

	if (a_is_number && b_is_number)
		return compare_numbers(a, a_size, b, b_size);
	if (a_is_number != b_is_number)
		return a_is_number ? -1 : 1;
	return compare_texts(a, a_size, b, b_size);
}

/* Both stand behind their `-`. With all before them equal, more identifiers are higher. */
static int compare_prereleases(const char *a, const char *b) {
	for (;;) {
		size_t a_size = strcspn(a, ".+"), b_size = strcspn(b, ".+");
		int r = compare_identifiers(a, a_size, b, b_size);

		if (r != 0)
			return r;
		a += a_size;
		b += b_size;
		if (*a != '.' || *b != '.')
			return *a == *b || (*a != '.' && *b != '.') ? 0 : *a == '.' ? 1 : -1;
		a++;
		b++;
	}
}

int semver_compare(const char *a, const char *b) {
	for (size_t i = 0; i < 3; i++) {
		size_t a_size = strspn(a, DIGITS), b_size = strspn(b, DIGITS);
		int r = compare_numbers(a, a_size, b, b_size);

		if (r != 0)
			return r;
		a += a_size + (i < 2);
		b += b_size + (i < 2);
	}
	if (*a == '-' && *b == '-')
		return compare_prereleases(a + 1, b + 1);
	/* A pre-release is lower than what it is one of; build metadata does not count. */
	return *a == '-' ? -1 : *b == '-' ? 1 : 0;
}
