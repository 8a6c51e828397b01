/*
 * A login_url that was found is no longer than its header, is found whatever
 * other challenges stand before it and whatever the case of the letters,
 * and comes back out of a header that is made of it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/work/net/challenge.h"
#include "protocol/cleanup.h"
#include "tests/fuzz/fuzz.h"

/* The url, which the caller frees, or NULL if there is none. */
static char *find(const char *header) {
	char *url = NULL;
	int r = challenge_login_url(header, &url);

	check(r == 0 || r == -ENOENT);
	check((r == 0) == (url != NULL));
	return url;
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

static void check_behind_others(const char *header, const char *url) {
	static const char others[] = "Cargo a=b, Basic realm=\"\\\"Cargo login_url=c\\\"\", ";
	_cleanup_(freep) char *longer = NULL;
	_cleanup_(freep) char *again = NULL;

	check(asprintf(&longer, "%s%s", others, header) > 0);
	again = find(longer);
	check(same(url, again));
}

/* Schemes and names are compared without their case, so all of it may change. */
static void check_upper_case(const char *header, const char *url) {
	_cleanup_(freep) char *upper = strdup(header);
	_cleanup_(freep) char *expected = url ? strdup(url) : NULL;
	_cleanup_(freep) char *again = NULL;

	check(upper && (!url || expected));
	upper_case(upper);
	upper_case(expected);
	again = find(upper);
	check(same(expected, again));
}

static void check_round_trip(const char *url) {
	_cleanup_(freep) char *header = malloc(2 * strlen(url) + 64);
	_cleanup_(freep) char *again = NULL;
	char *end;

	check(header);
	end = header + sprintf(header, "cargo a=b,login_url = \"");
	for (const char *at = url; *at; at++) {
		if (*at == '"' || *at == '\\')
			*end++ = '\\';
		*end++ = *at;
	}
	strcpy(end, "\"");
	again = find(header);
	check(same(url, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(freep) char *header = strndup(size > 0 ? (const char *) bytes : "", size);
	_cleanup_(freep) char *url = NULL;

	check(header);
	url = find(header);
	check(!url || strlen(url) + strlen("cargo login_url=") < strlen(header) + 1);
	check_behind_others(header, url);
	check_upper_case(header, url);
	if (url)
		check_round_trip(url);
	return 0;
}
