#include "key_found.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key_text.h"
#include "protocol/cleanup.h"
#include "protocol/names.h"
#include "protocol/toml.h"

/* cargo's `secret-key-subject`; *ret stays NULL where there is none that a login would take. */
static int read_subject(const struct toml_document *document, const char *key, char **ret) {
	_cleanup_(freep) char *path = NULL, *subject = NULL;
	int r;

	if (!document)
		return 0;
	if (asprintf(&path, "%s-subject", key) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = toml_get_string(document, path, &subject);
	if (r == 0 && claim_is_valid(subject))
		*ret = TAKE_PTR(subject);
	return r == -ENOMEM ? r : 0;
}

int key_found_advise(
	const struct toml_document *document, const char *key, const char *registry, char **ret) {
	_cleanup_(freep) char *subject = NULL, *made = NULL, *given = NULL;
	char *advice;

	/* It has no way to be told a public key. */
	if (strcmp(registry, CRATES_IO_NAME) == 0) {
		*ret = strdup("take it out: crates.io takes no signed requests");
		return *ret ? 0 : -ENOMEM;
	}
	if (read_subject(document, key, &subject) < 0)
		return -ENOMEM;
	made = key_text_login(registry, subject, false);
	given = key_text_login(registry, subject, true);
	if (!made || !given ||
		asprintf(&advice,
			"make a new one with `%s`, or keep this one by giving it to `%s` on standard "
			"input, and take it out",
			made, given) < 0)
		return -ENOMEM;
	*ret = advice;
	return 0;
}
