/* Which provider cargo asks for each registry, here and now, and who made it so. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "cargo_provider.h"
#include "doctor.h"
#include "finding.h"
#include "protocol/toml.h"

#define CRATES_IO_NAME "crates-io"
#define INDEX_START "CARGO_REGISTRIES_"
#define INDEX_END "_INDEX"
#define SETUP "cpub-agent setup cargo"

struct cargo_config *doctor_load_config(struct findings *findings) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = NULL;
	_cleanup_(freep) char *error = NULL;
	int r;

	r = cargo_config_load(&config, &error);
	if (r == 0)
		r = cargo_config_load_credentials(config, &error);
	if (r == 0)
		return TAKE_PTR(config);
	findings_add(findings, "D05", FINDING_BAD, "cargo's configuration cannot be read: %s",
		error ? error : strerror(-r));
	findings_fix(findings, "mend that file; what cargo does here is not known before");
	return NULL;
}

/* A checked-out project, or whoever wrote the environment: not this person's own files. */
static bool is_foreign(enum url_source source) {
	return source == URL_SOURCE_PROJECT || source == URL_SOURCE_ENVIRONMENT;
}

static void fix_foreign(struct findings *findings, const char *from, enum url_source source) {
	if (source == URL_SOURCE_ENVIRONMENT)
		findings_fix(findings, "unset %s", from);
	else
		findings_fix(findings, "take that out of '%s', or do not use cargo there", from);
}

static void find_ours_first(struct findings *findings, const char *name,
	const struct cargo_provider *first, bool is_list) {
	findings_add(findings, "D01", FINDING_OK, "cargo asks %s for %s, as '%s' says",
		CARGO_PROVIDER_NAME, name, first->from);
	if (first->has_arguments || first->alias)
		return;
	findings_add(findings, "D06", FINDING_WARN,
		"for %s '%s' names %s without arguments, so a project's [credential-alias] can "
		"replace it",
		name, first->from, CARGO_PROVIDER_NAME);
	if (is_list)
		findings_fix(findings, SETUP);
	else
		findings_fix(findings, "credential-provider = [\"%s\", \"--account\", \"default\"]",
			first->program);
}

/* One that has our name and lies elsewhere may be an old copy, or somebody's trap. */
static const char *describe(const struct cargo_provider *provider) {
	const char *slash = strrchr(provider->program, '/');

	return strcmp(slash ? slash + 1 : provider->program, CARGO_PROVIDER_NAME) == 0
		       ? "another program of that name, "
		       : "";
}

static void find_other_first(
	struct findings *findings, const char *name, const struct cargo_providers *providers) {
	const struct cargo_provider *first = &providers->items[0];
	bool has_ours = false;

	for (size_t i = 1; i < providers->n; i++)
		has_ours = has_ours || providers->items[i].is_ours;
	if (providers->is_list) {
		findings_add(findings, "D01", FINDING_BAD, "cargo asks %s'%s' %s %s for %s",
			describe(first), first->command, has_ours ? "before" : "and not",
			CARGO_PROVIDER_NAME, name);
		findings_fix(findings, SETUP);
		return;
	}
	findings_add(findings, "D01", FINDING_WARN,
		"cargo asks %s'%s' for %s, which has a provider of its own in '%s'",
		describe(first), first->command, name, first->from);
	findings_fix(findings, "take that credential-provider out, unless you mean it");
}

static void judge(
	struct findings *findings, const char *name, const struct cargo_providers *providers) {
	const struct cargo_provider *first = &providers->items[0];
	bool is_aliased = first->alias && is_foreign(first->alias_source);

	if (first->is_ours) {
		find_ours_first(findings, name, first, providers->is_list);
	} else if (is_aliased || is_foreign(first->source)) {
		const char *from = is_aliased ? first->alias : first->from;

		findings_add(findings, "D02", FINDING_BAD,
			"'%s' makes cargo ask %s'%s' for %s, not %s", from, describe(first),
			first->command, name, CARGO_PROVIDER_NAME);
		fix_foreign(findings, from, is_aliased ? first->alias_source : first->source);
	} else {
		find_other_first(findings, name, providers);
	}
}

static void judge_registry(
	struct findings *findings, const struct cargo_config *config, const char *name) {
	_cleanup_(cargo_providers_done) struct cargo_providers providers = {0};
	_cleanup_(freep) char *error = NULL;
	int r = cargo_providers_find(config, name, &providers, &error);

	if (r == 0) {
		judge(findings, name, &providers);
		return;
	}
	findings_add(findings, "D05", FINDING_BAD, "cargo has no provider for %s: %s", name,
		error ? error : strerror(-r));
	findings_fix(findings, "mend that key");
}

/* Whether a file that wins over this one has told the name already. */
static bool is_told(const struct cargo_config *config, size_t before, const char *name) {
	_cleanup_(freep) char *key = NULL;

	if (asprintf(&key, "registries.%s.index", name) < 0) {
		key = NULL;
		return false;
	}
	for (size_t i = 0; i < before; i++) {
		if (toml_line(config->files[i].document, key) > 0)
			return true;
	}
	return false;
}

/* cargo takes a registry whose index a variable sets for one of the variable's name. */
static bool has_variable(const char *name) {
	_cleanup_(freep) char *key = NULL, *variable = NULL;

	if (asprintf(&key, "registries.%s.index", name) < 0) {
		key = NULL;
		return false;
	}
	return cargo_variable(key, &variable) != NULL;
}

static void judge_file(struct findings *findings, const struct cargo_config *config, size_t index) {
	_cleanup_(toml_strings_freep) char **names = NULL;

	if (toml_get_keys(config->files[index].document, "registries", &names) < 0)
		return;
	for (size_t i = 0; names[i]; i++) {
		_cleanup_(freep) char *key = NULL;

		if (asprintf(&key, "registries.%s.index", names[i]) < 0) {
			key = NULL;
			findings->is_broken = true;
			return;
		}
		if (strcmp(names[i], CRATES_IO_NAME) != 0 &&
			toml_line(config->files[index].document, key) > 0 &&
			!is_told(config, index, names[i]) && !has_variable(names[i]))
			judge_registry(findings, config, names[i]);
	}
}

static void judge_variable(
	struct findings *findings, const struct cargo_config *config, const char *entry) {
	size_t start = strlen(INDEX_START), end = strlen(INDEX_END);
	size_t size = strcspn(entry, "=");
	_cleanup_(freep) char *name = NULL;

	if (strncmp(entry, INDEX_START, start) != 0 || size <= start + end ||
		strncmp(entry + size - end, INDEX_END, end) != 0)
		return;
	name = strndup(entry + start, size - start - end);
	if (!name) {
		findings->is_broken = true;
		return;
	}
	for (char *c = name; *c; c++)
		*c = (char) tolower((unsigned char) *c);
	judge_registry(findings, config, name);
}

void doctor_providers(struct findings *findings, const struct cargo_config *config) {
	judge_registry(findings, config, CRATES_IO_NAME);
	for (size_t i = 0; i < config->n_files; i++)
		judge_file(findings, config, i);
	for (char **entry = environ; *entry; entry++)
		judge_variable(findings, config, *entry);
}
