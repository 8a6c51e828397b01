#include "release.h"

#include <errno.h>
#include <string.h>

#include "protocol/names.h"
#include "verb.h"

void release_done(struct release *release) {
	free(release->crate);
	free(release->version);
	*release = (struct release){0};
}

enum exit_code release_parse(const struct command *command, const char *word, struct release *ret) {
	const char *at = strchr(word, '@');
	_cleanup_(release_done) struct release release = {0};

	release.crate = at ? strndup(word, (size_t) (at - word)) : strdup(word);
	release.version = at ? strdup(at + 1) : NULL;
	if (!release.crate || (at && !release.version))
		return verb_fail(command, -ENOMEM);
	if (!crate_name_is_valid(release.crate))
		return print_usage(&command->print, "'%.80s' is no crate's name", release.crate);
	if (release.version && !semver_is_valid(release.version))
		return print_usage(&command->print,
			"'%.80s' is no version of a crate, as 1.0.0 is one", release.version);
	ret->crate = TAKE_PTR(release.crate);
	ret->version = TAKE_PTR(release.version);
	return EXIT_DONE;
}
