#pragma once

/* The envelope in which an API puts its errors: {"errors":[{"detail":"…"}]}. */

#include <stdbool.h>

struct json;

struct api_errors {
	bool is_there; /* the answer has such a member, of whatever form */
	char *words; /* all details, joined by ", " as cargo does it; NULL if it has another form */
	bool has_unknown; /* one of them says that it failed inside, and not how far it came */
	const char *only; /* the detail of the one that there is; borrowed from the document */
};

/* Looks for it in a document. 0 or -ENOMEM. */
int api_errors_read(const struct json *document, struct api_errors *ret);
void api_errors_done(struct api_errors *errors);
