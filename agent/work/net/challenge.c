#include "challenge.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One word of the header: a token, or the inside of a quoted string. */
struct word {
	const char *start;
	size_t size;
	bool is_quoted;
};

static bool is_token_byte(char c) {
	/* RFC 9110, 5.6.2; `/` and `=` are for token68, which other schemes have. */
	return c && (isalnum((unsigned char) c) || strchr("!#$%&'*+-.^_`|~/", c));
}

static const char *skip_blank(const char *p) {
	return p + strspn(p, " \t");
}

/* Reads a token at `p`. Returns what follows it; an empty token is no token. */
static const char *token_read(const char *p, struct word *ret) {
	const char *end = p;

	while (is_token_byte(*end))
		end++;
	*ret = (struct word){.start = p, .size = (size_t) (end - p)};
	return end;
}

/* Reads what follows `=`. Returns what follows it, or NULL if it is neither token nor string. */
static const char *value_read(const char *p, struct word *ret) {
	if (*p != '"') {
		p = token_read(p, ret);
		return *p && !strchr(" \t,=", *p) ? NULL : p;
	}

	const char *end = ++p;
	while (*end && *end != '"')
		end += end[0] == '\\' && end[1] ? 2 : 1;
	if (!*end)
		return NULL;
	*ret = (struct word){.start = p, .size = (size_t) (end - p), .is_quoted = true};
	return end + 1;
}

static bool word_is(const struct word *word, const char *name) {
	return word->size == strlen(name) && strncasecmp(word->start, name, word->size) == 0;
}

/* A copy without the backslashes of a quoted string. */
static char *word_copy(const struct word *word) {
	char *copy = malloc(word->size + 1);
	size_t n = 0;

	if (!copy)
		return NULL;
	for (size_t i = 0; i < word->size; i++) {
		if (word->is_quoted && word->start[i] == '\\')
			i++;
		copy[n++] = word->start[i];
	}
	copy[n] = '\0';
	return copy;
}

/*
 * A header is a list of `scheme`, `scheme token68` and `scheme name=value, …`,
 * so a token is a parameter's name if `=` follows it, and a scheme if not.
 */
int challenge_login_url(const char *header, char **ret) {
	bool is_cargo = false;
	const char *p = header;

	for (;;) {
		struct word name, value;
		p += strspn(p, " \t,=");
		p = token_read(p, &name);
		if (name.size == 0)
			return -ENOENT;

		const char *next = skip_blank(p);
		if (*next != '=') {
			is_cargo = word_is(&name, "Cargo");
			continue;
		}
		p = value_read(skip_blank(next + 1), &value);
		if (!p)
			return -ENOENT;
		if (!is_cargo || !word_is(&name, "login_url"))
			continue;

		char *copy = word_copy(&value);
		if (!copy)
			return -ENOMEM;
		*ret = copy;
		return 0;
	}
}
