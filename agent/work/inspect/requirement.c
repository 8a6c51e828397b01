/* After dtolnay's semver 1.0, src/parse.rs and src/display.rs. */

#include "requirement.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/cleanup.h"

#define COMPARATORS_MAX 32
#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define U64_DIGITS 20

static const char *skip_blanks(const char *at) {
	return at + strspn(at, " ");
}

static bool is_wildcard(char c) {
	return c == '*' || c == 'x' || c == 'X';
}

/* The operator, of one or two characters; none is a caret. */
static size_t operator_size(const char *at) {
	if (*at == '=' || *at == '~' || *at == '^')
		return 1;
	if (*at == '<' || *at == '>')
		return at[1] == '=' ? 2 : 1;
	return 0;
}

/* A number that fits into 64 bits, without zeros before it: its length, or 0. */
static size_t number_size(const char *at) {
	size_t n = strspn(at, DIGITS);

	if (n > U64_DIGITS || (n > 1 && *at == '0'))
		return 0;
	if (n == U64_DIGITS && strncmp(at, "18446744073709551615", n) > 0)
		return 0;
	return n;
}

/* Words between dots behind `-` or `+`: the length of all, or 0 if that is none. */
static size_t identifiers_size(const char *text, bool is_prerelease) {
	const char *at = text;

	for (;;) {
		size_t n = strspn(at, DIGITS LETTERS "-");

		if (n == 0)
			return 0;
		if (is_prerelease && n > 1 && *at == '0' && strspn(at, DIGITS) == n)
			return 0;
		at += n;
		if (*at != '.')
			return (size_t) (at - text);
		at++;
	}
}

/* A comparator's parts within the text; sizes are 0 for those that are not there. */
struct comparator {
	const char *sign;
	size_t sign_size;
	const char *numbers; /* "1", "1.2" or "1.2.3" */
	size_t numbers_size;
	const char *prerelease;
	size_t prerelease_size;
	bool has_wildcard; /* behind the numbers */
};

/* Minor or patch: what follows a dot. Moves *at behind it. */
static int comparator_take_number(struct comparator *comparator, const char **at) {
	const char *number = *at + 1;

	if (is_wildcard(*number)) {
		comparator->has_wildcard = true;
		*at = number + 1;
		return 0;
	}
	size_t size = number_size(number);
	if (size == 0 || comparator->has_wildcard)
		return -EINVAL;
	*at = number + size;
	comparator->numbers_size = (size_t) (*at - comparator->numbers);
	return 0;
}

/* Pre-release and build metadata, behind three numbers. */
static int comparator_take_tail(struct comparator *comparator, const char **at) {
	if (**at == '-') {
		comparator->prerelease = *at;
		size_t size = identifiers_size(*at + 1, true);
		if (size == 0)
			return -EINVAL;
		comparator->prerelease_size = size + 1;
		*at += size + 1;
	}
	if (**at == '+') {
		size_t size = identifiers_size(*at + 1, false);
		if (size == 0)
			return -EINVAL;
		*at += size + 1;
	}
	return 0;
}

/* Takes one comparator, and the blanks behind it. */
static int comparator_take(const char **at, struct comparator *ret) {
	struct comparator comparator = {.sign = *at, .sign_size = operator_size(*at)};

	comparator.numbers = skip_blanks(*at + comparator.sign_size);
	comparator.numbers_size = number_size(comparator.numbers);
	if (comparator.numbers_size == 0)
		return -EINVAL;
	const char *rest = comparator.numbers + comparator.numbers_size;
	int n_numbers = 1;
	for (; n_numbers < 3 && *rest == '.'; n_numbers++) {
		int r = comparator_take_number(&comparator, &rest);
		if (r < 0)
			return r;
	}
	if (n_numbers == 3 && !comparator.has_wildcard) {
		int r = comparator_take_tail(&comparator, &rest);
		if (r < 0)
			return r;
	}
	*at = skip_blanks(rest);
	*ret = comparator;
	return 0;
}

static void comparator_print(const struct comparator *comparator, FILE *out) {
	/* With an operator, a wildcard is what is not said: ">=1.*" is ">=1". */
	bool is_bare = comparator->sign_size == 0;

	if (is_bare && !comparator->has_wildcard)
		(void) fputc('^', out);
	(void) fwrite(comparator->sign, 1, comparator->sign_size, out);
	(void) fwrite(comparator->numbers, 1, comparator->numbers_size, out);
	if (is_bare && comparator->has_wildcard)
		(void) fputs(".*", out);
	if (comparator->prerelease_size > 0)
		(void) fwrite(comparator->prerelease, 1, comparator->prerelease_size, out);
}

static int requirement_print_all(const char *at, FILE *out) {
	for (int n = 0; n < COMPARATORS_MAX; n++) {
		struct comparator comparator;

		int r = comparator_take(&at, &comparator);
		if (r < 0)
			return r;
		if (n > 0)
			(void) fputs(", ", out);
		comparator_print(&comparator, out);
		if (*at == '\0')
			return 0;
		if (*at != ',')
			return -EINVAL;
		at = skip_blanks(at + 1);
	}
	return -EINVAL;
}

int requirement_print(const char *text, char **ret) {
	_cleanup_(freep) char *printed = NULL;
	size_t size;

	text = skip_blanks(text);
	/* Alone, a wildcard is any version; beside others it is none. */
	if (is_wildcard(*text) && *skip_blanks(text + 1) == '\0') {
		*ret = strdup("*");
		return *ret ? 0 : -ENOMEM;
	}
	FILE *out = open_memstream(&printed, &size);
	if (!out)
		return -ENOMEM;
	int r = requirement_print_all(text, out);
	if (fclose(out) != 0)
		return -ENOMEM;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(printed);
	return 0;
}
