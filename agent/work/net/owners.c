#include "owners.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/work/frame.h"
#include "protocol/json.h"
#include "words.h"

#define LOGIN_MAX_SIZE 128u

static bool owner_is_called(const struct json *owner) {
	const char *login = json_string(json_member(owner, "login"));

	/* Cut, it could be another's. */
	return login && strlen(login) <= LOGIN_MAX_SIZE;
}

static int owner_put_text(const struct json *owner, const char *name, size_t size_max,
	enum field field, const struct secret *token, struct fields *found) {
	const char *text = json_string(json_member(owner, name));
	_cleanup_(freep) char *told = text ? words_tell(text, strlen(text), size_max, token) : NULL;

	return fields_put_string(found, (uint8_t) field, told);
}

/* 1 if it was put, 0 if there is nothing to be called by. */
static int owner_put(
	const struct json *owner, const struct secret *token, uint8_t tag, struct fields *answer) {
	_cleanup_(fields_freep) struct fields *found = NULL;
	const char *kind = json_string(json_member(owner, "kind"));

	if (!owner_is_called(owner))
		return 0;
	int r = fields_new(&found);
	if (r == 0)
		r = owner_put_text(owner, "login", LOGIN_MAX_SIZE, FIELD_LOGIN, token, found);
	if (r < 0 || fields_size(found) == 0)
		return r;
	if (kind && (strcmp(kind, "user") == 0 || strcmp(kind, "team") == 0))
		r = fields_put_string(found, FIELD_OWNER_KIND, kind);
	if (r == 0)
		r = owner_put_text(owner, "name", WORDS_MAX, FIELD_NAME, token, found);
	if (r == 0)
		r = fields_put(answer, tag, fields_bytes(found), fields_size(found));
	return r < 0 ? r : 1;
}

int owners_put(const struct json *document, const struct secret *token, struct fields *answer) {
	const struct json *users = json_member(document, "users");
	size_t n = 0, n_left_out = 0;
	_cleanup_(freep) char *warning = NULL;

	for (const struct json *owner = json_first(users); owner; owner = json_next(owner)) {
		int r = 0;
		if (n < FOUND_MAX)
			r = owner_put(owner, token, (uint8_t) (FIELD_FOUND + n), answer);
		if (r < 0)
			return r;
		n += (size_t) r;
		n_left_out += r == 0;
	}
	int r = fields_put_u64(answer, FIELD_TOTAL, n + n_left_out);
	if (r < 0 || n_left_out == 0)
		return r;
	if (asprintf(&warning, "%zu more cannot be shown", n_left_out) < 0) {
		warning = NULL;
		return 0; /* The list stands alone. */
	}
	return fields_put_string(answer, FIELD_WARNINGS, warning);
}
