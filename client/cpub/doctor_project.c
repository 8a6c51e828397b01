/*
 * What a checked-out project changes in how cargo reaches registries. cargo
 * heeds it, and then a token that it was given goes that way; cpub-agent's own
 * requests go by what was sealed at login.
 */

#include <stdio.h>
#include <string.h>

#include "cargo_config.h"
#include "doctor.h"
#include "finding.h"
#include "protocol/toml.h"

static const struct {
	const char *key;
	enum finding_level level;
	const char *text;
} settings[] = {
	{"http.proxy", FINDING_WARN, "all that cargo sends goes through a proxy of its choice"},
	{"http.cainfo", FINDING_BAD,
		"cargo trusts the certificates that it chose, and shows tokens to who has them"},
};

static void find_settings(struct findings *findings, const struct cargo_file *file) {
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (toml_line(file->document, settings[i].key) == 0)
			continue;
		findings_add(findings, "D16", settings[i].level, "the project's '%s' sets %s: %s",
			file->path, settings[i].key, settings[i].text);
		findings_fix(findings,
			"take it out, or put it into your own config.toml if you mean it");
	}
}

static void find_sources(struct findings *findings, const struct cargo_file *file) {
	_cleanup_(toml_strings_freep) char **names = NULL;

	if (toml_get_keys(file->document, "source", &names) < 0)
		return;
	for (size_t i = 0; names[i]; i++) {
		_cleanup_(freep) char *key = NULL;

		if (asprintf(&key, "source.%s.replace-with", names[i]) < 0) {
			key = NULL;
			findings->is_broken = true;
			return;
		}
		if (toml_line(file->document, key) == 0)
			continue;
		findings_add(findings, "D16", FINDING_WARN,
			"the project's '%s' replaces the source %s: crates come from elsewhere",
			file->path, names[i]);
		findings_fix(findings, "take it out, unless the project is meant to do that");
	}
}

/* The index that the user's own files give that name; NULL if they do not know it. */
static char *find_user_index(const struct cargo_config *config, const char *key) {
	char *url = NULL;

	for (size_t i = 0; i < config->n_files; i++) {
		if (config->files[i].source == URL_SOURCE_USER &&
			toml_get_string(config->files[i].document, key, &url) == 0)
			return url;
	}
	return NULL;
}

static void find_indexes(struct findings *findings, const struct cargo_config *config,
	const struct cargo_file *file) {
	_cleanup_(toml_strings_freep) char **names = NULL;

	if (toml_get_keys(file->document, "registries", &names) < 0)
		return;
	for (size_t i = 0; names[i]; i++) {
		_cleanup_(freep) char *key = NULL, *theirs = NULL, *own = NULL;

		if (asprintf(&key, "registries.%s.index", names[i]) < 0) {
			key = NULL;
			findings->is_broken = true;
			return;
		}
		own = find_user_index(config, key);
		if (!own || toml_get_string(file->document, key, &theirs) < 0 ||
			strcmp(own, theirs) == 0)
			continue;
		findings_add(findings, "D17", FINDING_BAD,
			"the project's '%s' says that %s is '%s', and your own files say '%s'",
			file->path, names[i], theirs, own);
		findings_fix(
			findings, "take it out, or give the project's registry a name of its own");
	}
}

void doctor_project(struct findings *findings, const struct cargo_config *config) {
	for (size_t i = 0; i < config->n_files; i++) {
		const struct cargo_file *file = &config->files[i];

		if (file->source == URL_SOURCE_USER)
			continue;
		find_settings(findings, file);
		find_sources(findings, file);
		find_indexes(findings, config, file);
	}
}
