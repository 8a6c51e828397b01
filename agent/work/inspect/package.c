#include "package.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/inspect/crate.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/manifest.h"
#include "protocol/names.h"
#include "protocol/toml.h"

/* Where cargo looks for a readme that is not named. */
static const char *const readme_names[] = {"README.md", "README.txt", "README"};

void package_done(struct package *package) {
	free(package->name);
	free(package->version);
	free(package->description);
	free(package->documentation);
	free(package->homepage);
	free(package->license);
	free(package->license_file);
	free(package->links);
	free(package->readme_file);
	free(package->repository);
	free(package->rust_version);
	toml_strings_free(package->authors);
	toml_strings_free(package->categories);
	toml_strings_free(package->keywords);
	toml_strings_free(package->features);
	*package = (struct package){0};
}

static int package_read_texts(
	const struct manifest *manifest, struct package *package, struct fault *fault) {
	const struct {
		const char *path;
		char **text;
	} texts[] = {
		{"package.name", &package->name},
		{"package.version", &package->version},
		{"package.description", &package->description},
		{"package.documentation", &package->documentation},
		{"package.homepage", &package->homepage},
		{"package.license", &package->license},
		{"package.license-file", &package->license_file},
		{"package.links", &package->links},
		{"package.repository", &package->repository},
		{"package.rust-version", &package->rust_version},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = manifest_get_string(manifest, texts[i].path, texts[i].text, fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static int package_read_lists(
	const struct manifest *manifest, struct package *package, struct fault *fault) {
	int r = manifest_get_strings(manifest, "package.authors", &package->authors, fault);

	if (r == 0)
		r = manifest_get_strings(
			manifest, "package.categories", &package->categories, fault);
	if (r == 0)
		r = manifest_get_strings(manifest, "package.keywords", &package->keywords, fault);
	if (r == 0)
		r = manifest_get_keys(manifest, "features", &package->features, fault);
	return r;
}

/* The first of the names that cargo looks for. */
static int package_find_readme(const struct crate *crate, struct package *package) {
	for (size_t i = 0; i < sizeof(readme_names) / sizeof(readme_names[0]); i++) {
		if (!listing_has_file(&crate->listing, readme_names[i]))
			continue;
		package->readme_file = strdup(readme_names[i]);
		return package->readme_file ? 0 : -ENOMEM;
	}
	return 0;
}

static int package_read_readme(const struct manifest *manifest, const struct crate *crate,
	struct package *package, struct fault *fault) {
	static const char path[] = "package.readme";
	bool is_wanted;

	if (!manifest_has(manifest, path))
		return package_find_readme(crate, package);
	if (!manifest_has_bool(manifest, path))
		return manifest_get_string(manifest, path, &package->readme_file, fault);
	int r = manifest_get_bool(manifest, path, false, &is_wanted, fault);
	if (r < 0 || !is_wanted)
		return r;
	package->readme_file = strdup(readme_names[0]);
	return package->readme_file ? 0 : -ENOMEM;
}

static int package_check_names(
	const struct package *package, const struct crate *crate, struct fault *fault) {
	_cleanup_(freep) char *top = NULL;

	if (!package->name || !crate_name_is_valid(package->name))
		return fault_invalid(fault, "its manifest has no valid name: '%.80s'",
			package->name ? package->name : "");
	if (!package->version || !semver_is_valid(package->version))
		return fault_invalid(fault, "its manifest has no valid version: '%.80s'",
			package->version ? package->version : "");
	if (asprintf(&top, "%s-%s", package->name, package->version) < 0) {
		top = NULL;
		return -ENOMEM;
	}
	if (strcmp(top, crate->listing.top) != 0)
		return fault_invalid(
			fault, "its top folder is '%.100s', not '%.100s'", crate->listing.top, top);
	return 0;
}

static int package_check_files(
	const struct package *package, const struct crate *crate, struct fault *fault) {
	if (package->readme_file && !listing_has_file(&crate->listing, package->readme_file))
		return fault_incomplete(
			fault, "the readme '%.100s' is not in the crate", package->readme_file);
	if (package->license_file && !listing_has_file(&crate->listing, package->license_file))
		return fault_incomplete(fault, "the licence file '%.100s' is not in the crate",
			package->license_file);
	return 0;
}

int package_read(const struct manifest *manifest, const struct crate *crate,
	struct package *package, struct fault *fault) {
	int r = package_read_texts(manifest, package, fault);

	if (r == 0)
		r = package_check_names(package, crate, fault);
	if (r == 0)
		r = package_read_lists(manifest, package, fault);
	if (r == 0)
		r = package_read_readme(manifest, crate, package, fault);
	if (r == 0)
		r = package_check_files(package, crate, fault);
	return r;
}
