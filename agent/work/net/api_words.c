#include "api_words.h"

#include <string.h>

/*
 * crates.io at src/auth.rs, src/util/errors.rs, src/rate_limiter.rs,
 * src/controllers/krate/{publish,owners}.rs, version/update.rs and
 * helpers/authorization.rs. It may send any of them with status 200, so the status
 * does not help to tell them apart. Each is the beginning, or all of it where the
 * rest is nobody else's words. What it says of a locked account ends in an
 * operator's own, so that is looked for first, as are those that failed somewhere
 * inside: nobody knows how far they came.
 */
static const struct {
	const char *start;
	const char *end; /* NULL: anything may follow */
	struct api_meaning meaning;
} known[] = {
	{"Internal Server Error", "", {REFUSAL_OUTCOME_UNKNOWN, HINT_NONE}},
	{"Service unavailable", "", {REFUSAL_OUTCOME_UNKNOWN, HINT_NONE}},
	{"Request Timeout", "", {REFUSAL_OUTCOME_UNKNOWN, HINT_NONE}},
	{"", "", {REFUSAL_OUTCOME_UNKNOWN, HINT_NONE}},
	{"This account is indefinitely locked", NULL, {REFUSAL_OWNER_LOCKED, HINT_NONE}},
	{"This account is locked until", NULL, {REFUSAL_OWNER_LOCKED, HINT_NONE}},

	{"authentication failed", "", {REFUSAL_TOKEN_UNKNOWN, HINT_NONE}},
	{"Invalid authentication token", "", {REFUSAL_TOKEN_UNKNOWN, HINT_NONE}},
	{"Invalid `Authorization` header", NULL, {REFUSAL_TOKEN_UNKNOWN, HINT_NONE}},
	{"The given API token does not match the format used by crates.io", NULL,
		{REFUSAL_TOKEN_UNKNOWN, HINT_NONE}},

	{"this token does not have the required permissions", NULL,
		{REFUSAL_TOKEN_SCOPE, HINT_SCOPE}},
	{"The provided access token is not valid for crate", NULL,
		{REFUSAL_TOKEN_SCOPE, HINT_SCOPE}},
	{"This endpoint cannot be used with legacy API tokens", NULL,
		{REFUSAL_TOKEN_SCOPE, HINT_SCOPE}},
	{"Trusted Publishing tokens do not support", NULL,
		{REFUSAL_TOKEN_SCOPE, HINT_ACCOUNT_TOKEN}},
	{"New versions of this crate can only be published using Trusted Publishing", NULL,
		{REFUSAL_REGISTRY_REFUSED, HINT_TRUSTED_PUBLISHING}},

	{"A verified email address is required", NULL, {REFUSAL_REGISTRY_REFUSED, HINT_EMAIL}},
	{"this crate exists but you don't seem to be an owner", NULL,
		{REFUSAL_REGISTRY_REFUSED, HINT_OWNER}},
	{"must already be an owner", NULL, {REFUSAL_REGISTRY_REFUSED, HINT_OWNER}},
	{"only owners have permission to modify owners", NULL,
		{REFUSAL_REGISTRY_REFUSED, HINT_OWNER}},
	{"team members don't have permission to modify owners", NULL,
		{REFUSAL_REGISTRY_REFUSED, HINT_TEAM}},
	{"only members of a team or organization owners can add it", NULL,
		{REFUSAL_REGISTRY_REFUSED, HINT_TEAM}},
	{"could not find the github team", NULL, {REFUSAL_REGISTRY_REFUSED, HINT_TEAM}},
	{"GitHub organization '", NULL, {REFUSAL_REGISTRY_REFUSED, HINT_ORG_ACCESS}},

	{"You have published too many", NULL, {REFUSAL_RATE_LIMITED, HINT_NONE}},
	{"You have yanked or unyanked too many", NULL, {REFUSAL_RATE_LIMITED, HINT_NONE}},
	{"crates.io is currently in read-only mode", NULL,
		{REFUSAL_REGISTRY_UNAVAILABLE, HINT_NONE}},
	{"crate version `", "` is already uploaded", {REFUSAL_VERSION_EXISTS, HINT_NONE}},
};

static bool words_are(const char *words, const char *start, const char *end) {
	size_t size = strlen(words), start_size = strlen(start);

	if (strncmp(words, start, start_size) != 0)
		return false;
	if (!end)
		return true;
	size_t end_size = strlen(end);
	if (end_size == 0)
		return size == start_size;
	return size >= start_size + end_size && strcmp(words + size - end_size, end) == 0;
}

bool api_words_read(const char *words, struct api_meaning *ret) {
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!words_are(words, known[i].start, known[i].end))
			continue;
		*ret = known[i].meaning;
		return true;
	}
	return false;
}
