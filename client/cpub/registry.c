/*
 * The environment wins over every file, and the nearest file over those above
 * it (cargo, get_registry_index). cargo writes the names CARGO_REGISTRIES_X_INDEX
 * with `-` as `_`, so two names can share one variable.
 */

#include "registry.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "complaint.h"
#include "protocol/names.h"
#include "protocol/toml.h"

#define NAME_MAX_SIZE 64
#define DEFAULT_VARIABLE "CARGO_REGISTRY_DEFAULT"
#define DEFAULT_KEY "registry.default"

static bool name_is_valid(const char *name) {
	size_t size =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return size > 0 && size <= NAME_MAX_SIZE && name[size] == '\0';
}

bool registry_needs_config(const char *name) {
	return name && strcmp(name, CRATES_IO_NAME) != 0;
}

static char *variable_name(const char *name) {
	char *variable;

	if (asprintf(&variable, "CARGO_REGISTRIES_%s_INDEX", name) < 0)
		return NULL;
	for (char *c = variable; *c; c++)
		*c = *c == '-' ? '_' : (char) toupper((unsigned char) *c);
	return variable;
}

/* Fills *ret; the texts are copied. */
static int fill(const char *url, const char *name, enum url_source source, const char *file,
	struct registry *ret) {
	struct registry registry = {.source = source};

	registry.index_url = strdup(url);
	registry.name = name ? strdup(name) : NULL;
	registry.file = file ? strdup(file) : NULL;
	if (!registry.index_url || (name && !registry.name) || (file && !registry.file)) {
		registry_done(&registry);
		return -ENOMEM;
	}
	*ret = registry;
	return 0;
}

/*
 * cargo takes `file:` URLs relative to the configuration file, and ssh; neither
 * has an API that a token could go to.
 */
static int check_url(const char *url, const char *where, char **ret_error) {
	const char *rest = strncmp(url, "sparse+", 7) == 0 ? url + 7 : url;

	if (strncmp(rest, "https://", 8) == 0 || strncmp(rest, "http://", 7) == 0)
		return 0;
	return complaint_make(ret_error,
		"the index '%s' from %s is not an https URL; write it as "
		"sparse+https://HOST/PATH/ or https://HOST/PATH",
		url, where);
}

/* 0 and *ret, -ENOENT, or -EINVAL with a sentence. */
static int find_in_environment(const char *name, struct registry *ret, char **ret_error) {
	_cleanup_(freep) char *variable = variable_name(name);
	const char *url;
	int r;

	if (!variable)
		return -ENOMEM;
	url = getenv(variable);
	if (!url)
		return -ENOENT;
	r = check_url(url, variable, ret_error);
	if (r < 0)
		return r;
	return fill(url, name, URL_SOURCE_ENVIRONMENT, variable, ret);
}

static int find_in_file(
	const char *name, const struct cargo_file *file, struct registry *ret, char **ret_error) {
	_cleanup_(freep) char *key = NULL, *url = NULL;
	int r;

	if (asprintf(&key, "registries.%s.index", name) < 0) {
		key = NULL;
		return -ENOMEM;
	}
	r = toml_get_string(file->document, key, &url);
	if (r == -EBADMSG)
		return complaint_make(ret_error, "'%s' line %u: %s is not a text", file->path,
			toml_line(file->document, key), key);
	if (r < 0)
		return r;
	r = check_url(url, file->path, ret_error);
	if (r < 0)
		return r;
	return fill(url, name, file->source, file->path, ret);
}

static void write_names(FILE *text, const struct cargo_config *config) {
	fputs("known names: " CRATES_IO_NAME, text);
	for (size_t i = 0; i < config->n_files; i++) {
		_cleanup_(toml_strings_freep) char **names = NULL;

		if (toml_get_keys(config->files[i].document, "registries", &names) < 0)
			continue;
		for (size_t j = 0; names[j]; j++) {
			if (name_is_valid(names[j]) && strcmp(names[j], CRATES_IO_NAME) != 0)
				fprintf(text, ", %s", names[j]);
		}
	}
}

/* Says where it looked, which is what a person needs to find the mistake. */
static int fail_unknown(const char *name, const struct cargo_config *config, char **ret_error) {
	_cleanup_(freep) char *variable = variable_name(name);
	_cleanup_(freep) char *sentence = NULL;
	size_t size;
	FILE *text;

	if (!variable)
		return -ENOMEM;
	text = open_memstream(&sentence, &size);
	if (!text)
		return -ENOMEM;
	fprintf(text, "no registry '%s' is configured for cargo; looked for %s", name, variable);
	for (size_t i = 0; i < config->n_files; i++)
		fprintf(text, "%s'%s'", i == 0 ? " and in " : ", ", config->files[i].path);
	if (config->n_files == 0)
		fprintf(text, " and found no .cargo/config.toml here or above, and none in '%s'",
			config->home ? config->home : "$CARGO_HOME");
	fputs("; ", text);
	write_names(text, config);
	if (fclose(text) != 0)
		return -ENOMEM;
	*ret_error = TAKE_PTR(sentence);
	return -EINVAL;
}

static int find(const char *name, const struct cargo_config *config, struct registry *ret,
	char **ret_error) {
	int r = find_in_environment(name, ret, ret_error);

	for (size_t i = 0; r == -ENOENT && i < config->n_files; i++)
		r = find_in_file(name, &config->files[i], ret, ret_error);
	return r == -ENOENT ? fail_unknown(name, config, ret_error) : r;
}

int registry_resolve_own(const char *name, const struct cargo_config *config, struct registry *ret,
	char **ret_error) {
	int r = -ENOENT;

	if (!registry_needs_config(name))
		return registry_resolve(NULL, NULL, config, ret, ret_error);
	for (size_t i = 0; name_is_valid(name) && r == -ENOENT && i < config->n_files; i++) {
		if (config->files[i].source == URL_SOURCE_USER)
			r = find_in_file(name, &config->files[i], ret, ret_error);
	}
	return r;
}

int registry_resolve(const char *name, const char *index, const struct cargo_config *config,
	struct registry *ret, char **ret_error) {
	int r;

	if (index) {
		r = check_url(index, "--index", ret_error);
		if (r < 0)
			return r;
		return fill(index, NULL, URL_SOURCE_GIVEN, NULL, ret);
	}
	if (!registry_needs_config(name))
		return fill(CRATES_IO_INDEX, CRATES_IO_NAME, URL_SOURCE_GIVEN, NULL, ret);
	if (!name_is_valid(name))
		return complaint_make(ret_error,
			"the registry's name may hold letters, digits, '-' and '_' only; for a URL "
			"use --index");
	return find(name, config, ret, ret_error);
}

/* Who names the default, in *ret all but the URL. 0, -ENOENT, -EINVAL with a sentence, -ENOMEM. */
static int find_default(const struct cargo_config *config, struct registry *ret, char **ret_error) {
	const char *name = getenv("CARGO_REGISTRY_DEFAULT");

	if (name)
		return fill("", name, URL_SOURCE_ENVIRONMENT, DEFAULT_VARIABLE, ret);
	for (size_t i = 0; i < config->n_files; i++) {
		const struct cargo_file *file = &config->files[i];
		_cleanup_(freep) char *text = NULL;
		int r = toml_get_string(file->document, DEFAULT_KEY, &text);

		if (r == 0)
			return fill("", text, file->source, file->path, ret);
		if (r == -EBADMSG)
			return complaint_make(ret_error, "'%s' line %u: %s is not a text",
				file->path, toml_line(file->document, DEFAULT_KEY), DEFAULT_KEY);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

int registry_resolve_default(
	const struct cargo_config *config, struct registry *ret, char **ret_error) {
	_cleanup_(registry_done) struct registry named = {0};
	int r = find_default(config, &named, ret_error);

	if (r < 0)
		return r;
	r = registry_resolve(named.name, NULL, config, ret, ret_error);
	if (r == 0 && (named.source != URL_SOURCE_USER || !ret->file)) {
		free(ret->file);
		ret->file = TAKE_PTR(named.file);
		ret->source = named.source;
	}
	return r;
}

void registry_done(struct registry *registry) {
	free(registry->index_url);
	free(registry->name);
	free(registry->file);
	*registry = (struct registry){0};
}
