#include "manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/inspect/fault.h"
#include "protocol/toml.h"

struct manifest {
	struct toml_document *document;
};

/* Of [package], those that a workspace can set for its members. */
static const char *const inheritable[] = {"authors", "categories", "description", "documentation",
	"edition", "exclude", "homepage", "include", "keywords", "license", "license-file",
	"publish", "readme", "repository", "rust-version", "version"};

/* Tables that cargo leaves out of what it packages. */
static int manifest_check_tables(const struct manifest *manifest, struct fault *fault) {
	if (!manifest_has_table(manifest, "package"))
		return fault_invalid(fault, "its manifest has no [package]");
	if (manifest_has(manifest, "project"))
		return fault_invalid(fault, "its manifest has [project] beside [package]");
	if (manifest_has(manifest, "patch"))
		return fault_invalid(fault, "its manifest has [patch]");
	if (manifest_has(manifest, "replace"))
		return fault_invalid(fault, "its manifest has [replace]");
	for (size_t i = 0; i < sizeof(inheritable) / sizeof(inheritable[0]); i++) {
		char path[64];

		(void) snprintf(path, sizeof(path), "package.%s", inheritable[i]);
		if (manifest_has_table(manifest, path))
			return fault_invalid(
				fault, "its manifest takes '%s' from a workspace", inheritable[i]);
	}
	return 0;
}

int manifest_new(const char *text, size_t size, struct manifest **ret, struct fault *fault) {
	_cleanup_(manifest_freep) struct manifest *manifest = calloc(1, sizeof(*manifest));
	_cleanup_(freep) char *error = NULL;

	if (!manifest)
		return -ENOMEM;
	int r = toml_parse_large(text, size, &manifest->document, &error);
	if (r == -EBADMSG)
		return fault_invalid(fault, "its manifest is no TOML: %.120s", error);
	/* In a key it is a key that no reader of protocol/toml.h would show. */
	if (r == 0 && (memchr(text, '\0', size) || toml_has_nul(manifest->document)))
		return fault_invalid(fault, "its manifest has a NUL");
	if (r == 0)
		r = manifest_check_tables(manifest, fault);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(manifest);
	return 0;
}

struct manifest *manifest_free(struct manifest *manifest) {
	if (manifest)
		toml_free(manifest->document);
	free(manifest);
	return NULL;
}

int manifest_path(const char *path, const char *key, char **ret, struct fault *fault) {
	char quote = strchr(key, '"') ? '\'' : '"';

	if (strchr(key, quote))
		return fault_invalid(fault, "its manifest has an odd key: '%.60s'", key);
	if (asprintf(ret, "%s%s%c%s%c", path, *path ? "." : "", quote, key, quote) < 0)
		return -ENOMEM;
	return 0;
}

static int fault_of_type(struct fault *fault, const char *path, const char *wanted) {
	return fault_invalid(fault, "its manifest has '%.100s', which is no %s", path, wanted);
}

int manifest_get_string(
	const struct manifest *manifest, const char *path, char **ret, struct fault *fault) {
	int r = toml_get_string(manifest->document, path, ret);

	if (r == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	return r == -EBADMSG ? fault_of_type(fault, path, "text") : r;
}

int manifest_get_bool(const struct manifest *manifest, const char *path, bool otherwise, bool *ret,
	struct fault *fault) {
	int r = toml_get_bool(manifest->document, path, ret);

	if (r == -ENOENT) {
		*ret = otherwise;
		return 0;
	}
	return r == -EBADMSG ? fault_of_type(fault, path, "truth value") : r;
}

static int strings_or_none(
	int r, char ***ret, struct fault *fault, const char *path, const char *wanted) {
	if (r == -ENOENT) {
		*ret = calloc(1, sizeof(**ret));
		return *ret ? 0 : -ENOMEM;
	}
	return r == -EBADMSG ? fault_of_type(fault, path, wanted) : r;
}

int manifest_get_strings(
	const struct manifest *manifest, const char *path, char ***ret, struct fault *fault) {
	int r = toml_get_strings(manifest->document, path, ret);

	return strings_or_none(r, ret, fault, path, "list of texts");
}

int manifest_get_keys(
	const struct manifest *manifest, const char *path, char ***ret, struct fault *fault) {
	int r = toml_get_keys(manifest->document, path, ret);

	return strings_or_none(r, ret, fault, path, "table");
}

bool manifest_has(const struct manifest *manifest, const char *path) {
	return toml_line(manifest->document, path) > 0;
}

bool manifest_has_table(const struct manifest *manifest, const char *path) {
	_cleanup_(toml_strings_freep) char **keys = NULL;

	return toml_get_keys(manifest->document, path, &keys) == 0;
}

bool manifest_has_list(const struct manifest *manifest, const char *path) {
	size_t size;

	return toml_get_size(manifest->document, path, &size) == 0;
}

bool manifest_has_bool(const struct manifest *manifest, const char *path) {
	bool value;

	return toml_get_bool(manifest->document, path, &value) == 0;
}
