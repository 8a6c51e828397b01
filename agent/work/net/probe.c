#include "probe.h"

#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "words.h"

/*
 * crates.io asks who it is before it looks whether a token may do this, and this
 * no token may (src/auth.rs, src/util/errors.rs). What it says of a locked account
 * ends in an operator's own words, so that is looked for first.
 */
static const struct {
	long status;
	const char *words;
	enum verdict verdict;
} known[] = {
	{403, "This account is indefinitely locked", VERDICT_LOCKED},
	{403, "This account is locked until", VERDICT_LOCKED},
	{403, "this action can only be performed on the crates.io website", VERDICT_VALID},
	{403, "authentication failed", VERDICT_DEAD},
	{401, "does not match the format used by crates.io", VERDICT_MALFORMED},
	{401, "Invalid `Authorization` header", VERDICT_MALFORMED},
};

static enum verdict probe_verdict(long status, const char *words) {
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].status == status && strstr(words, known[i].words))
			return known[i].verdict;
	}
	return VERDICT_UNKNOWN;
}

/* The one `detail` of crates.io's envelope for errors; NULL for any other document. */
static const char *probe_detail(const struct json *document) {
	const struct json *errors = json_member(document, "errors");

	if (!errors || !json_is_array(errors) || json_n_elements(errors) != 1)
		return NULL;
	return json_string(json_member(json_element(errors, 0), "detail"));
}

int probe_read(long status, const char *body, size_t size, const struct secret *token,
	enum verdict *ret, char **ret_words) {
	_cleanup_(json_freep) struct json *document = NULL;
	enum verdict verdict = VERDICT_UNKNOWN;

	int r = json_parse(body, size, &document);
	if (r < 0 && r != -EBADMSG)
		return r;

	const char *detail = probe_detail(document);
	if (detail) {
		verdict = probe_verdict(status, detail);
		body = detail;
		size = strlen(detail);
	}
	*ret = verdict;
	/* Without memory the verdict stands alone. */
	*ret_words = words_tell(body, size, WORDS_MAX, token);
	return 0;
}
