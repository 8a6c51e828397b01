#pragma once

/* What [package] says, as far as registries are told of it. Absent texts are NULL, lists empty. */

struct crate;
struct fault;
struct manifest;

struct package {
	char *name;
	char *version;
	char *description;
	char *documentation;
	char *homepage;
	char *license;
	char *license_file;
	char *links;
	char *readme_file;
	char *repository;
	char *rust_version;
	char **authors;
	char **categories;
	char **keywords;
	char **features; /* names, sorted; their values are the manifest's */
};

/*
 * Fills *package, which package_done ends in any case. Name and version are valid then,
 * they name the crate's top folder, and the files that are named are in it. 0, or a
 * negative errno, -EBADMSG with a fault.
 */
int package_read(const struct manifest *manifest, const struct crate *crate,
	struct package *package, struct fault *fault);
void package_done(struct package *package);
