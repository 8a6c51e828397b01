/*
 * A login_url, or a challenge to claim, that was found is no longer than its header,
 * is found whatever other challenges stand before it and whatever the case of the
 * letters, and comes back out of a header that is made of it. Of two challenges to
 * claim that differ none is found.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/challenge.h"
#include "protocol/cleanup.h"
#include "tests/fuzz/fuzz.h"

typedef int (*find_t)(const char *header, char **ret);

static const struct {
	const char *name;
	find_t find;
} parameters[] = {{"login_url", challenge_login_url}, {"challenge", challenge_claim}};

/* The text, which the caller frees, or NULL if there is none. */
static char *find_in(const char *header, find_t find) {
	char *text = NULL;
	int r = find(header, &text);

	check(r == 0 || r == -ENOENT);
	check((r == 0) == (text != NULL));
	return text;
}

static bool same(const char *a, const char *b) {
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void upper_case(char *text) {
	for (; text && *text; text++) {
		if (*text >= 'a' && *text <= 'z')
			*text = (char) (*text - 'a' + 'A');
	}
}

static void check_behind_others(const char *header, find_t find, const char *text) {
	static const char others[] = "Cargo a=b, Basic realm=\"\\\"Cargo login_url=c\\\"\", "
				     "Other challenge=c, ";
	_cleanup_(freep) char *longer = NULL;
	_cleanup_(freep) char *again = NULL;

	check(asprintf(&longer, "%s%s", others, header) > 0);
	again = find_in(longer, find);
	check(same(text, again));
}

/* Schemes and names are compared without their case, so all of it may change. */
static void check_upper_case(const char *header, find_t find, const char *text) {
	_cleanup_(freep) char *upper = strdup(header);
	_cleanup_(freep) char *expected = text ? strdup(text) : NULL;
	_cleanup_(freep) char *again = NULL;

	check(upper && (!text || expected));
	upper_case(upper);
	upper_case(expected);
	again = find_in(upper, find);
	/* Of several that differ there is none; and these may have differed in their case alone. */
	check(same(expected, again) || (!text && find == challenge_claim));
}

static void check_round_trip(const char *name, find_t find, const char *text) {
	_cleanup_(freep) char *header = malloc(2 * strlen(text) + 64);
	_cleanup_(freep) char *again = NULL;
	char *end;

	check(header);
	end = header + sprintf(header, "cargo a=b,%s = \"", name);
	for (const char *at = text; *at; at++) {
		if (*at == '"' || *at == '\\')
			*end++ = '\\';
		*end++ = *at;
	}
	strcpy(end, "\"");
	again = find_in(header, find);
	check(same(text, again));
}

/* Behind one that is known, there is that one, if the header has no other. */
static void check_two_claims(const char *header, const char *claim) {
	_cleanup_(freep) char *longer = NULL;
	_cleanup_(freep) char *found = NULL;

	check(asprintf(&longer, "Cargo challenge=known, Other a=b, %s", header) > 0);
	found = find_in(longer, challenge_claim);
	check(!found || strcmp(found, "known") == 0);
	if (claim)
		check((found != NULL) == (strcmp(claim, "known") == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(freep) char *header = strndup(size > 0 ? (const char *) bytes : "", size);

	check(header);
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		const find_t find = parameters[i].find;
		const char *name = parameters[i].name;
		_cleanup_(freep) char *text = find_in(header, find);

		check(!text || strlen(text) + strlen("cargo =") + strlen(name) <= strlen(header));
		check_behind_others(header, find, text);
		check_upper_case(header, find, text);
		if (text)
			check_round_trip(name, find, text);
		if (find == challenge_claim)
			check_two_claims(header, text);
	}
	return 0;
}
