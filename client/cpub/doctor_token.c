/*
 * Tokens that lie in the clear: in cargo's files and in the environment. That
 * one is there is all that is found out. The files were read through veil.h, so
 * the tokens are not in this program; the environment came with it, and only
 * the names in it are looked at.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "cargo_provider.h"
#include "config_swap.h"
#include "doctor.h"
#include "finding.h"
#include "protocol/toml.h"
#include "veil.h"

#define CRATES_IO_NAME "crates-io"
#define CRATES_IO_TOKEN "CARGO_REGISTRY_TOKEN"
#define TOKEN_START "CARGO_REGISTRIES_"
#define TOKEN_END "_TOKEN"
#define IMPORT "cpub-agent import --from cargo --wipe"

static void find_token(
	struct findings *findings, const struct cargo_file *file, unsigned line, const char *name) {
	bool is_user = file->source == URL_SOURCE_USER;

	findings_add(findings, is_user ? "D03" : "D04", FINDING_BAD,
		"plaintext token in '%s' line %u (%s)", file->path, line, name);
	if (is_user)
		findings_fix(findings, IMPORT);
	else
		findings_fix(findings, "revoke it at the registry and take it out: projects are "
				       "copied and shared");
}

static void find_in_table(struct findings *findings, const struct cargo_file *file,
	const char *table, const char *name) {
	static const char *const keys[] = {"token", "secret-key"};

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(freep) char *key = NULL;
		unsigned line;

		if (asprintf(&key, "%s%s", table, keys[i]) < 0) {
			key = NULL;
			findings->is_broken = true;
			return;
		}
		line = toml_line(file->document, key);
		if (line > 0)
			find_token(findings, file, line, name);
	}
}

static void find_in_file(struct findings *findings, const struct cargo_file *file) {
	_cleanup_(toml_strings_freep) char **names = NULL;

	/* Before cargo knew registries, this file held one token and nothing else. */
	if (file->is_credentials)
		find_in_table(findings, file, "", CRATES_IO_NAME);
	find_in_table(findings, file, "registry.", CRATES_IO_NAME);
	(void) toml_get_keys(file->document, "registries", &names); /* None is fine. */
	for (size_t i = 0; names && names[i]; i++) {
		_cleanup_(freep) char *table = NULL;

		if (asprintf(&table, "registries.%s.", names[i]) < 0) {
			table = NULL;
			findings->is_broken = true;
			return;
		}
		find_in_table(findings, file, table, names[i]);
	}
	if (file->stray_line == 0)
		return;
	findings_add(findings, file->source == URL_SOURCE_USER ? "D03" : "D04", FINDING_BAD,
		"what looks like a crates.io token stands in '%s' line %zu", file->path,
		file->stray_line);
	findings_fix(findings, "revoke it at https://crates.io/settings/tokens and take it out");
}

static bool is_loaded(const struct cargo_config *config, const char *path) {
	for (size_t i = 0; i < config->n_files; i++) {
		if (strcmp(config->files[i].path, path) == 0)
			return true;
	}
	return false;
}

/* Where cargo reads `config` it passes over config.toml, and a token may lie there all the same. */
static void find_in_leftover(
	struct findings *findings, const struct cargo_config *config, const char *name) {
	struct cargo_file file = {.source = URL_SOURCE_USER,
		.is_credentials = strncmp(name, "credentials", strlen("credentials")) == 0};
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(veiled_done) struct veiled text = {0};
	_cleanup_(freep) char *path = NULL, *why = NULL;

	if (asprintf(&path, "%s/%s", config->home, name) < 0) {
		path = NULL;
		findings->is_broken = true;
		return;
	}
	if (is_loaded(config, path) || veil_read(path, TOML_MAX, &text) < 0)
		return;
	file.path = path;
	file.stray_line = text.stray_line;
	if (toml_parse(text.text, text.size, &document, &why) == 0) {
		file.document = document;
		find_in_file(findings, &file);
	} else if (text.has_secret || text.stray_line > 0) {
		find_token(findings, &file, (unsigned) text.stray_line, "a file that is no TOML");
	}
}

void doctor_tokens(struct findings *findings, const struct cargo_config *config) {
	static const char *const leftovers[] = {"credentials", "credentials.toml", "config",
		"config.toml", "config" CONFIG_SWAP_BACKUP, "config.toml" CONFIG_SWAP_BACKUP};
	size_t n_before = findings->n;

	for (size_t i = 0; i < config->n_files; i++)
		find_in_file(findings, &config->files[i]);
	for (size_t i = 0; config->home && i < sizeof(leftovers) / sizeof(leftovers[0]); i++)
		find_in_leftover(findings, config, leftovers[i]);
	if (findings->n == n_before)
		findings_add(findings, "D03", FINDING_OK, "no plaintext token in cargo's files");
}

/* What cargo:token is for this registry: asked before us, behind us, or not at all. */
enum place { PLACE_BEFORE, PLACE_BEHIND, PLACE_NOWHERE };

static enum place find_place(const struct cargo_config *config, const char *name) {
	_cleanup_(cargo_providers_done) struct cargo_providers providers = {0};
	_cleanup_(freep) char *error = NULL;
	bool has_ours = false;

	if (cargo_providers_find(config, name, &providers, &error) < 0)
		return PLACE_NOWHERE;
	for (size_t i = 0; i < providers.n; i++) {
		if (strcmp(providers.items[i].program, CARGO_PROVIDER_TOKEN) == 0)
			return has_ours ? PLACE_BEHIND : PLACE_BEFORE;
		has_ours = has_ours || providers.items[i].is_ours;
	}
	return PLACE_NOWHERE;
}

/* The value is not looked at: it is not even asked whether it is empty. */
static void find_variable(struct findings *findings, const struct cargo_config *config,
	const char *variable, const char *name) {
	static const char *const texts[] = {
		[PLACE_BEFORE] = "cargo:token takes it before cpub-agent is asked",
		[PLACE_BEHIND] = "cargo:token takes it where cpub-agent has no account",
		[PLACE_NOWHERE] = "cargo does not use it",
	};
	enum place place = find_place(config, name);

	findings_add(findings, "D07", place == PLACE_BEFORE ? FINDING_BAD : FINDING_WARN,
		"%s is set: %s, and every build script can read it", variable, texts[place]);
	findings_fix(findings, "unset %s", variable);
}

/* The name in one of the files that this variable belongs to, else the variable's own. */
static char *find_name(const struct cargo_config *config, const char *variable) {
	size_t start = strlen(TOKEN_START), end = strlen(TOKEN_END);
	char *own;

	if (strcmp(variable, CRATES_IO_TOKEN) == 0)
		return strdup(CRATES_IO_NAME);
	for (size_t i = 0; i < config->n_files; i++) {
		_cleanup_(toml_strings_freep) char **names = NULL;

		(void) toml_get_keys(config->files[i].document, "registries", &names);
		for (size_t j = 0; names && names[j]; j++) {
			_cleanup_(freep) char *key = NULL, *theirs = NULL;

			if (asprintf(&key, "registries.%s.token", names[j]) < 0)
				return key = NULL;
			(void) cargo_variable(key, &theirs);
			if (theirs && strcmp(theirs, variable) == 0)
				return strdup(names[j]);
		}
	}
	own = strndup(variable + start, strlen(variable) - start - end);
	for (char *c = own; c && *c; c++)
		*c = (char) tolower((unsigned char) *c);
	return own;
}

static bool is_token_variable(const char *entry, size_t size) {
	size_t start = strlen(TOKEN_START), end = strlen(TOKEN_END);

	if (size == strlen(CRATES_IO_TOKEN) && strncmp(entry, CRATES_IO_TOKEN, size) == 0)
		return true;
	return size > start + end && strncmp(entry, TOKEN_START, start) == 0 &&
	       strncmp(entry + size - end, TOKEN_END, end) == 0;
}

void doctor_variables(struct findings *findings, const struct cargo_config *config) {
	for (char **entry = environ; *entry; entry++) {
		size_t size = strcspn(*entry, "=");
		_cleanup_(freep) char *variable = NULL, *name = NULL;

		if (!is_token_variable(*entry, size))
			continue;
		variable = strndup(*entry, size);
		name = variable ? find_name(config, variable) : NULL;
		if (!name) {
			findings->is_broken = true;
			return;
		}
		find_variable(findings, config, variable, name);
	}
}
