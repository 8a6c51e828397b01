#include "api_errors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_words.h"
#include "protocol/json.h"

/* Nobody reads more. */
#define DETAILS_MAX 8u

void api_errors_done(struct api_errors *errors) {
	free(errors->words);
	*errors = (struct api_errors){0};
}

static const char *detail_of(const struct json *error) {
	return json_string(json_member(error, "detail"));
}

static bool errors_have_details(const struct json *errors) {
	if (!json_is_array(errors) || !json_first(errors))
		return false;
	for (const struct json *error = json_first(errors); error; error = json_next(error)) {
		if (!detail_of(error))
			return false;
	}
	return true;
}

static char *errors_join(const struct json *errors) {
	char *words = NULL;
	size_t size, n = 0;
	FILE *out = open_memstream(&words, &size);

	if (!out)
		return NULL;
	for (const struct json *error = json_first(errors); error && n < DETAILS_MAX;
		error = json_next(error))
		(void) fprintf(out, "%s%s", n++ > 0 ? ", " : "", detail_of(error));
	if (fclose(out) == 0)
		return words;
	free(words);
	return NULL;
}

static bool errors_have_unknown(const struct json *errors) {
	for (const struct json *error = json_first(errors); error; error = json_next(error)) {
		struct api_meaning meaning;

		if (api_words_read(detail_of(error), &meaning) &&
			meaning.code == REFUSAL_OUTCOME_UNKNOWN)
			return true;
	}
	return false;
}

int api_errors_read(const struct json *document, struct api_errors *ret) {
	const struct json *errors = json_member(document, "errors");

	if (!errors || json_is_null(errors))
		return 0;
	ret->is_there = true;
	if (!errors_have_details(errors))
		return 0;
	ret->words = errors_join(errors);
	if (!ret->words)
		return -ENOMEM;
	ret->has_unknown = errors_have_unknown(errors);
	if (!json_next(json_first(errors)))
		ret->only = detail_of(json_first(errors));
	return 0;
}
