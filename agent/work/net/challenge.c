#include "challenge.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/cleanup.h"

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

/* A header, and how far it is read. */
struct walk {
	const char *at;
	bool is_in_cargo;
};

/*
 * Reads on to the next parameter of a `Cargo` challenge; false if there is none. A
 * header is a list of `scheme`, `scheme token68` and `scheme name=value, …`, so a
 * token is a parameter's name if `=` follows it, and a scheme if not.
 */
static bool walk_next(struct walk *walk, struct word *ret_name, struct word *ret_value) {
	do {
		walk->at += strspn(walk->at, " \t,=");
		const char *end = token_read(walk->at, ret_name);
		if (ret_name->size == 0)
			return false;

		const char *next = skip_blank(end);
		if (*next == '=') {
			end = value_read(skip_blank(next + 1), ret_value);
			if (!end)
				return false;
		} else {
			walk->is_in_cargo = word_is(ret_name, "Cargo");
		}
		walk->at = end;
		if (*next == '=' && walk->is_in_cargo)
			return true;
	} while (true);
}

int challenge_login_url(const char *header, char **ret) {
	struct walk walk = {.at = header};
	struct word name, value;

	while (walk_next(&walk, &name, &value)) {
		if (!word_is(&name, "login_url"))
			continue;
		char *copy = word_copy(&value);
		if (!copy)
			return -ENOMEM;
		*ret = copy;
		return 0;
	}
	return -ENOENT;
}

/* An `=` behind a token: Base64 with padding, say, that wants quotes. Then it is not all of it. */
static bool word_is_cut(const struct word *word) {
	return !word->is_quoted && word->start[word->size] == '=';
}

int challenge_claim(const char *header, char **ret) {
	_cleanup_(freep) char *claim = NULL;
	struct walk walk = {.at = header};
	struct word name, value;

	while (walk_next(&walk, &name, &value)) {
		if (!word_is(&name, "challenge"))
			continue;
		_cleanup_(freep) char *copy = word_copy(&value);
		if (!copy)
			return -ENOMEM;
		if (word_is_cut(&value) || (claim && strcmp(claim, copy) != 0))
			return -ENOENT;
		free(claim);
		claim = TAKE_PTR(copy);
	}
	if (!claim)
		return -ENOENT;
	*ret = TAKE_PTR(claim);
	return 0;
}
