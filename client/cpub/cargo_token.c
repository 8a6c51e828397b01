#include "cargo_token.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cargo_config.h"
#include "cargo_run.h"
#include "protocol/names.h"
#include "protocol/toml.h"
#include "registry.h"

#define START "CARGO_REGISTRIES_"

static const char *const ends[] = {"_TOKEN", "_SECRET_KEY", "_SECRET_KEY_SUBJECT"};

/* The size of what stands before the end of the name; 0 for no token. */
static size_t stem_size(const char *entry) {
	size_t size = strcspn(entry, "=");

	if (strncmp(entry, "CARGO_REGISTRY_", 15) != 0 && strncmp(entry, START, strlen(START)) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (size > end && strncmp(entry + size - end, ends[i], end) == 0)
			return size - end;
	}
	return 0;
}

bool cargo_token_is(const char *entry) {
	return stem_size(entry) > 0;
}

/* Whether cargo writes the registry's name so in variables. */
static bool is_written(const char *name, const char *word) {
	for (; *name && *word; name++, word++) {
		if ((*name == '-' ? '_' : toupper((unsigned char) *name)) != *word)
			return false;
	}
	return *name == *word;
}

/* What is known of the registries that share a variable. */
struct sharers {
	const struct cargo_config *config;
	/* The canonical URL of the one that is published to. */
	const char *wanted;
	bool has_wanted;
	bool has_other;
};

static int sharers_add(struct sharers *sharers, const char *name) {
	_cleanup_(registry_done) struct registry registry = {0};
	_cleanup_(freep) char *error = NULL, *url = NULL;
	int r = registry_resolve(name, NULL, sharers->config, &registry, &error);

	if (r == 0)
		r = registry_url_canonical(registry.index_url, &url);
	if (r == 0 && strcmp(url, sharers->wanted) == 0)
		sharers->has_wanted = true;
	else if (r == 0)
		sharers->has_other = true;
	return r == -ENOMEM ? r : 0;
}

/* By the word in the variable itself, should the index stand in one; then by the files. */
static int sharers_find(struct sharers *sharers, const char *word) {
	int r = sharers_add(sharers, word);

	for (size_t i = 0; r == 0 && i < sharers->config->n_files; i++) {
		_cleanup_(toml_strings_freep) char **names = NULL;

		r = toml_get_keys(sharers->config->files[i].document, "registries", &names);
		if (r < 0 && r != -ENOMEM) {
			r = 0;
			continue;
		}
		for (size_t j = 0; r == 0 && names[j]; j++) {
			if (is_written(names[j], word))
				r = sharers_add(sharers, names[j]);
		}
	}
	return r;
}

int cargo_tokens_find_others(const struct cargo_config *config, const struct registry *registry,
	struct arguments *names) {
	_cleanup_(freep) char *wanted = NULL;
	int r = registry_url_canonical(registry->index_url, &wanted);

	if (r < 0)
		return r == -ENOMEM ? r : 0; /* What is wrong with it the agent tells. */
	for (char **entry = environ; r == 0 && *entry; entry++) {
		struct sharers sharers = {.config = config, .wanted = wanted};
		size_t size = stem_size(*entry);
		_cleanup_(freep) char *word = NULL;

		if (size <= strlen(START) || strncmp(*entry, START, strlen(START)) != 0)
			continue;
		word = strndup(*entry + strlen(START), size - strlen(START));
		if (!word)
			return -ENOMEM;
		r = sharers_find(&sharers, word);
		if (r == 0 && sharers.has_other && !sharers.has_wanted)
			arguments_format(names, "%.*s", (int) strcspn(*entry, "="), *entry);
	}
	return r;
}
