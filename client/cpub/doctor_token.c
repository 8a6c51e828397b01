/*
 * Tokens, and keys that sign them, that lie in the clear: in cargo's files and in the environment. That
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
#include "key_found.h"
#include "protocol/names.h"
#include "protocol/toml.h"
#include "veil.h"

#define TOKEN_START "CARGO_REGISTRIES_"
#define TOKEN_END "_TOKEN"
#define KEY_END "_SECRET_KEY"
#define IMPORT "cpub-agent import --from cargo --wipe"

static void find_token(struct findings *findings, const struct cargo_file *file, const char *key,
	unsigned line, const char *name) {
	bool is_user = file->source == URL_SOURCE_USER;

	(void) key;
	findings_add(findings, is_user ? "D03" : "D04", FINDING_BAD,
		"plaintext token in '%s' line %u (%s)", file->path, line, name);
	if (is_user)
		findings_fix(findings, IMPORT);
	else
		findings_fix(findings, "revoke it at the registry and take it out: projects are "
				       "copied and shared");
}

/* Import leaves it: a key that was read may be used by others for ever, so a new one is better. */
static void find_key(struct findings *findings, const struct cargo_file *file, const char *key,
	unsigned line, const char *name) {
	bool is_user = file->source == URL_SOURCE_USER;
	_cleanup_(freep) char *advice = NULL;

	findings_add(findings, is_user ? "D03" : "D04", FINDING_BAD,
		"plaintext private key in '%s' line %u (%s)", file->path, line, name);
	if (is_user && key_found_advise(file->document, key, name, &advice) < 0)
		findings->is_broken = true;
	else if (is_user)
		findings_fix(findings, "%s", advice);
	else
		findings_fix(findings, "remove its public key at the registry and take it out: "
				       "projects are copied and shared");
}

static void find_in_table(struct findings *findings, const struct cargo_file *file,
	const char *table, const char *name) {
	static const struct {
		const char *key;
		void (*find)(struct findings *findings, const struct cargo_file *file,
			const char *key, unsigned line, const char *name);
	} kinds[] = {{"token", find_token}, {"secret-key", find_key}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		_cleanup_(freep) char *key = NULL;
		unsigned line;

		if (asprintf(&key, "%s%s", table, kinds[i].key) < 0) {
			key = NULL;
			findings->is_broken = true;
			return;
		}
		line = toml_line(file->document, key);
		if (line > 0)
			kinds[i].find(findings, file, key, line, name);
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
		find_token(findings, &file, "", (unsigned) text.stray_line,
			"a file that is no TOML");
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

/* What cargo's own provider is for this registry: asked before us, behind us, or not at all. */
enum place { PLACE_BEFORE, PLACE_BEHIND, PLACE_NOWHERE };

static enum place find_place(
	const struct cargo_config *config, const char *name, const char *provider) {
	_cleanup_(cargo_providers_done) struct cargo_providers providers = {0};
	_cleanup_(freep) char *error = NULL;
	bool has_ours = false;

	if (cargo_providers_find(config, name, &providers, &error) < 0)
		return PLACE_NOWHERE;
	for (size_t i = 0; i < providers.n; i++) {
		if (strcmp(providers.items[i].program, provider) == 0)
			return has_ours ? PLACE_BEHIND : PLACE_BEFORE;
		has_ours = has_ours || providers.items[i].is_ours;
	}
	return PLACE_NOWHERE;
}

/* A variable with a secret in it, and the provider of cargo's that reads it. */
static const struct variable_kind {
	const char *key; /* in cargo's files: "token" */
	const char *end; /* of the name: "_TOKEN" */
	const char *of_crates_io;
	const char *provider;
	const char *unused;
} variable_kinds[] = {
	{"token", TOKEN_END, "CARGO_REGISTRY" TOKEN_END, CARGO_PROVIDER_TOKEN,
		"cargo does not use it"},
	/* cargo takes it with `-Z asymmetric-token` alone (cargo, util/auth/mod.rs). */
	{"secret-key", KEY_END, "CARGO_REGISTRY" KEY_END, CARGO_PROVIDER_KEY,
		"stable cargo does not use it"},
};

static const struct variable_kind *variable_kind(const char *entry, size_t size) {
	size_t start = strlen(TOKEN_START);

	for (size_t i = 0; i < sizeof(variable_kinds) / sizeof(variable_kinds[0]); i++) {
		const struct variable_kind *kind = &variable_kinds[i];
		size_t end = strlen(kind->end);

		if (size == strlen(kind->of_crates_io) &&
			strncmp(entry, kind->of_crates_io, size) == 0)
			return kind;
		if (size > start + end && strncmp(entry, TOKEN_START, start) == 0 &&
			strncmp(entry + size - end, kind->end, end) == 0)
			return kind;
	}
	return NULL;
}

/* The value is not looked at: it is not even asked whether it is empty. */
static void find_variable(struct findings *findings, const struct cargo_config *config,
	const struct variable_kind *kind, const char *variable, const char *name) {
	static const char *const texts[] = {
		[PLACE_BEFORE] = " takes it before cpub-agent is asked",
		[PLACE_BEHIND] = " takes it where cpub-agent has no account",
		[PLACE_NOWHERE] = "",
	};
	enum place place = find_place(config, name, kind->provider);

	findings_add(findings, "D07", place == PLACE_BEFORE ? FINDING_BAD : FINDING_WARN,
		"%s is set: %s%s, and every build script can read it", variable,
		place == PLACE_NOWHERE ? kind->unused : kind->provider, texts[place]);
	findings_fix(findings, "unset %s", variable);
}

/* The name in one of the files that this variable belongs to, else the variable's own. */
static char *find_name(const struct cargo_config *config, const struct variable_kind *kind,
	const char *variable) {
	size_t start = strlen(TOKEN_START), end = strlen(kind->end);
	char *own;

	if (strcmp(variable, kind->of_crates_io) == 0)
		return strdup(CRATES_IO_NAME);
	for (size_t i = 0; i < config->n_files; i++) {
		_cleanup_(toml_strings_freep) char **names = NULL;

		(void) toml_get_keys(config->files[i].document, "registries", &names);
		for (size_t j = 0; names && names[j]; j++) {
			_cleanup_(freep) char *key = NULL, *theirs = NULL;

			if (asprintf(&key, "registries.%s.%s", names[j], kind->key) < 0)
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

void doctor_variables(struct findings *findings, const struct cargo_config *config) {
	for (char **entry = environ; *entry; entry++) {
		size_t size = strcspn(*entry, "=");
		const struct variable_kind *kind = variable_kind(*entry, size);
		_cleanup_(freep) char *variable = NULL, *name = NULL;

		if (!kind)
			continue;
		variable = strndup(*entry, size);
		name = variable ? find_name(config, kind, variable) : NULL;
		if (!name) {
			findings->is_broken = true;
			return;
		}
		find_variable(findings, config, kind, variable, name);
	}
}
