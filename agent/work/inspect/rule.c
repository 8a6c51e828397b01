/* After crates.io's src/controllers/krate/publish.rs and crates/crates_io_validation. */

#include "rule.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/work/inspect/dependency.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/licence.h"
#include "agent/work/inspect/lines.h"
#include "agent/work/inspect/manifest.h"
#include "agent/work/inspect/package.h"
#include "protocol/names.h"
#include "protocol/toml.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DESCRIPTION_MAX 1000
#define KEYWORDS_MAX 5
#define KEYWORD_MAX 20
#define CATEGORIES_MAX 5
#define FEATURES_MAX 300
#define DEPENDENCIES_MAX 500
#define NAME_MAX_SIZE 64
#define METADATA_MAX ((uint64_t) 1024 * 1024)

static size_t count(char **texts) {
	size_t n = 0;

	while (texts[n])
		n++;
	return n;
}

static bool is_missing(const char *text) {
	return !text || *text == '\0';
}

static bool list_has(char **texts, const char *wanted) {
	for (size_t i = 0; texts[i]; i++) {
		if (strcmp(texts[i], wanted) == 0)
			return true;
	}
	return false;
}

/*
 * A list has names out of cargo's configuration, of which only that of crates.io means
 * the same everywhere: the others are for whoever has that configuration to look at.
 */
int rule_check_publish(
	const struct manifest *manifest, const char *index_url, struct fault *fault) {
	static const char path[] = "package.publish";
	_cleanup_(toml_strings_freep) char **names = NULL;
	bool is_allowed;

	if (!manifest_has(manifest, path))
		return 0;
	if (manifest_has_bool(manifest, path)) {
		int r = manifest_get_bool(manifest, path, true, &is_allowed, fault);
		if (r < 0 || is_allowed)
			return r;
		return fault_incomplete(fault, "the manifest says `publish = false`");
	}
	int r = manifest_get_strings(manifest, path, &names, fault);
	if (r < 0)
		return r;
	bool is_crates_io = registry_url_is_crates_io(index_url);
	bool has_it = list_has(names, CRATES_IO_NAME);
	if (count(names) == 0 || (is_crates_io && !has_it) ||
		(!is_crates_io && has_it && count(names) == 1))
		return fault_incomplete(
			fault, "the manifest's `publish` does not name this registry");
	return 0;
}

static bool url_is_web(const char *url) {
	const char *host = strncasecmp(url, "https://", 8) == 0	 ? url + 8
			   : strncasecmp(url, "http://", 7) == 0 ? url + 7
								 : NULL;

	return host && strcspn(host, "/?#") > 0 && !strpbrk(url, " \t\r\n\"<>");
}

static int check_url(const char *url, const char *name, struct fault *fault) {
	if (!url || url_is_web(url))
		return 0;
	return fault_incomplete(fault, "'%s' is no http or https URL: '%.100s'", name, url);
}

/* One to three numbers. */
static bool rust_version_is_plain(const char *text) {
	for (int n = 0; n < 3; n++) {
		size_t size = strspn(text, DIGITS);

		if (size == 0 || (size > 1 && *text == '0'))
			return false;
		text += size;
		if (*text == '\0')
			return true;
		if (*text++ != '.')
			return false;
	}
	return false;
}

static int check_licence(
	const struct package *package, struct lines *warnings, struct fault *fault) {
	_cleanup_(freep) char *unusual = NULL;

	if (is_missing(package->license))
		return is_missing(package->license_file)
			       ? fault_incomplete(
					 fault, "it has no `license` and no `license-file`")
			       : 0;
	int r = licence_check(package->license, &unusual);
	if (r == -EINVAL)
		return fault_incomplete(
			fault, "`license` is no SPDX expression: '%.100s'", package->license);
	if (r == 0 && unusual)
		r = lines_add(warnings, "crates.io takes the licence '%.60s' only if SPDX lists it",
			unusual);
	return r;
}

static int check_texts(const struct package *package, struct lines *warnings, struct fault *fault) {
	if (is_missing(package->description))
		return fault_incomplete(fault, "it has no `description`");
	if (strlen(package->description) > DESCRIPTION_MAX)
		return fault_incomplete(
			fault, "its `description` is longer than %d bytes", DESCRIPTION_MAX);
	int r = check_licence(package, warnings, fault);
	if (r == 0)
		r = check_url(package->homepage, "homepage", fault);
	if (r == 0)
		r = check_url(package->documentation, "documentation", fault);
	if (r == 0)
		r = check_url(package->repository, "repository", fault);
	if (r < 0)
		return r;
	if (package->rust_version && !rust_version_is_plain(package->rust_version))
		return fault_incomplete(fault, "`rust-version` is no plain version: '%.40s'",
			package->rust_version);
	return 0;
}

static bool keyword_is_valid(const char *keyword) {
	return *keyword != '\0' && strchr(LETTERS DIGITS, *keyword) &&
	       keyword[strspn(keyword, LETTERS DIGITS "_-+")] == '\0';
}

static int check_keywords(char **keywords, struct fault *fault) {
	if (count(keywords) > KEYWORDS_MAX)
		return fault_incomplete(fault, "it has more than %d keywords", KEYWORDS_MAX);
	for (size_t i = 0; keywords[i]; i++) {
		if (strlen(keywords[i]) > KEYWORD_MAX)
			return fault_incomplete(fault,
				"its keyword '%.60s' is longer than %d characters", keywords[i],
				KEYWORD_MAX);
		if (!keyword_is_valid(keywords[i]))
			return fault_incomplete(
				fault, "its keyword '%.60s' has an odd character", keywords[i]);
	}
	return 0;
}

/* The list of them is crates.io's, and grows; only its form is known here. */
static int check_categories(char **categories, struct fault *fault) {
	if (count(categories) > CATEGORIES_MAX)
		return fault_incomplete(fault, "it has more than %d categories", CATEGORIES_MAX);
	for (size_t i = 0; categories[i]; i++) {
		const char *slug = categories[i];

		if (*slug == '\0' || slug[strspn(slug, LETTERS DIGITS "-_:")] != '\0')
			return fault_incomplete(
				fault, "its category '%.60s' is no slug of crates.io", slug);
	}
	return 0;
}

/* Letters beyond ASCII are the registry's to know. */
static bool feature_name_is_valid(const char *name) {
	if (*name == '\0' || strchr("+-.", *name))
		return false;
	for (; *name; name++) {
		if ((unsigned char) *name < 0x80 && !strchr(LETTERS DIGITS "_+-.", *name))
			return false;
	}
	return true;
}

/* As a crate's, but it may begin with an underscore. */
static bool dependency_name_is_valid(const char *name, size_t size) {
	if (size == 0 || size > NAME_MAX_SIZE || !strchr(LETTERS "_", *name))
		return false;
	return strspn(name, LETTERS DIGITS "_-") >= size;
}

/* `name`, `dep:name`, `name/feature` or `name?/feature`. */
static bool feature_value_is_valid(const char *value) {
	const char *slash = strchr(value, '/');

	if (slash) {
		size_t size = (size_t) (slash - value);
		if (size > 0 && slash[-1] == '?')
			size--;
		return dependency_name_is_valid(value, size) && feature_name_is_valid(slash + 1);
	}
	if (strncmp(value, "dep:", 4) == 0)
		return dependency_name_is_valid(value + 4, strlen(value + 4));
	return feature_name_is_valid(value);
}

static int check_feature_values(char **values, const char *where, struct fault *fault) {
	for (size_t i = 0; values[i]; i++) {
		if (!feature_value_is_valid(values[i]))
			return fault_incomplete(fault, "'%.80s' turns on an odd feature: '%.80s'",
				where, values[i]);
	}
	return 0;
}

static int check_feature(const struct manifest *manifest, const char *name, struct lines *warnings,
	struct fault *fault) {
	_cleanup_(freep) char *path = NULL;
	_cleanup_(toml_strings_freep) char **values = NULL;

	if (!feature_name_is_valid(name))
		return fault_incomplete(fault, "its feature '%.80s' has an odd name", name);
	int r = manifest_path("features", name, &path, fault);
	if (r == 0)
		r = manifest_get_strings(manifest, path, &values, fault);
	if (r == 0 && count(values) > FEATURES_MAX)
		r = lines_add(warnings,
			"'%.80s' turns on more than the %d features that crates.io allows "
			"without being asked",
			name, FEATURES_MAX);
	return r < 0 ? r : check_feature_values(values, name, fault);
}

static int check_features(const struct manifest *manifest, char **features, struct lines *warnings,
	struct fault *fault) {
	int r = 0;

	if (count(features) > FEATURES_MAX)
		r = lines_add(warnings,
			"it has more than the %d features that crates.io allows without being "
			"asked",
			FEATURES_MAX);
	for (size_t i = 0; r == 0 && features[i]; i++)
		r = check_feature(manifest, features[i], warnings, fault);
	return r;
}

static int check_dependency(const struct dependency *dependency, struct fault *fault) {
	const char *name = dependency->name, *local = dependency->local_name;

	if (dependency->registry)
		return fault_incomplete(fault,
			"its dependency '%.80s' is of another registry: '%.100s'", name,
			dependency->registry);
	if (strcmp(dependency->requirement, "*") == 0)
		return fault_incomplete(
			fault, "its dependency '%.80s' takes any version: `*`", name);
	if (local && !dependency_name_is_valid(local, strlen(local)))
		return fault_incomplete(
			fault, "its dependency '%.80s' has an odd name here: '%.80s'", name, local);
	return check_feature_values(dependency->features, name, fault);
}

int rule_check_crates_io(const struct manifest *manifest, const struct package *package,
	const struct dependencies *dependencies, struct lines *warnings, struct fault *fault) {
	int r = check_texts(package, warnings, fault);

	if (r == 0)
		r = check_keywords(package->keywords, fault);
	if (r == 0)
		r = check_categories(package->categories, fault);
	if (r == 0)
		r = check_features(manifest, package->features, warnings, fault);
	if (r == 0 && dependencies->n > DEPENDENCIES_MAX)
		r = fault_incomplete(fault, "it has more than %d dependencies", DEPENDENCIES_MAX);
	for (size_t i = 0; r == 0 && i < dependencies->n; i++)
		r = check_dependency(&dependencies->list[i], fault);
	return r;
}

int rule_check_metadata_size(uint64_t size, struct fault *fault) {
	if (size <= METADATA_MAX)
		return 0;
	return fault_incomplete(fault, "its manifest and readme have more than 1 MiB together");
}

/* https://doc.rust-lang.org/cargo/reference/publishing.html#before-publishing-a-new-crate */
int rule_warn(const struct package *package, struct lines *warnings) {
	const struct {
		const char *what;
		bool is_there;
	} wanted[] = {
		{"description", !is_missing(package->description)},
		{"license", !is_missing(package->license) || !is_missing(package->license_file)},
		{"homepage, documentation or repository",
			!is_missing(package->homepage) || !is_missing(package->documentation) ||
				!is_missing(package->repository)},
		{"readme", package->readme_file != NULL},
		{"keywords", count(package->keywords) > 0},
		{"categories", count(package->categories) > 0},
	};
	char missing[256] = "";
	size_t size = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (!wanted[i].is_there)
			size += (size_t) snprintf(missing + size, sizeof(missing) - size, "%s%s",
				size > 0 ? "; " : "", wanted[i].what);
	}
	return size > 0 ? lines_add(warnings, "the manifest has no %s", missing) : 0;
}
