/* After cargo's crates/crates-io/lib.rs (NewCrate) and src/cargo/ops/registry/publish.rs. */

#include "metadata.h"

#include <errno.h>
#include <string.h>

#include "agent/work/inspect/crate.h"
#include "agent/work/inspect/dependency.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/manifest.h"
#include "agent/work/inspect/package.h"
#include "agent/work/memory_file.h"
#include "protocol/json.h"
#include "protocol/toml.h"

/* Longest readme: more than all that crates.io takes of metadata. */
#define README_MAX ((size_t) 1024 * 1024)

/* A text on its way. */
struct metadata {
	struct json_writer writer;
	const struct manifest *manifest;
	struct fault *fault;
};

static void metadata_done(struct metadata *metadata) {
	json_writer_done(&metadata->writer);
}

static void write_list(struct json_writer *writer, const char *name, char **texts) {
	json_write_array(writer, name);
	for (size_t i = 0; texts[i]; i++)
		json_write_string(writer, NULL, texts[i]);
	json_write_array_end(writer);
}

/* What is not there is left out, not null, in the second half of it. */
static void write_dependency(struct json_writer *writer, const struct dependency *dependency) {
	json_write_object(writer, NULL);
	json_write_bool(writer, "optional", dependency->is_optional);
	json_write_bool(writer, "default_features", dependency->has_default_features);
	json_write_string(writer, "name", dependency->name);
	write_list(writer, "features", dependency->features);
	json_write_string(writer, "version_req", dependency->requirement);
	json_write_string(writer, "target", dependency->target);
	json_write_string(writer, "kind", dependency->kind);
	if (dependency->registry)
		json_write_string(writer, "registry", dependency->registry);
	if (dependency->local_name)
		json_write_string(writer, "explicit_name_in_toml", dependency->local_name);
	if (dependency->artifacts)
		write_list(writer, "artifact", dependency->artifacts);
	if (dependency->for_target)
		json_write_string(writer, "bindep_target", dependency->for_target);
	if (dependency->is_library)
		json_write_bool(writer, "lib", true);
	json_write_object_end(writer);
}

static void write_dependencies(struct json_writer *writer, const struct dependencies *all) {
	json_write_array(writer, "deps");
	for (size_t i = 0; i < all->n; i++)
		write_dependency(writer, &all->list[i]);
	json_write_array_end(writer);
}

static int metadata_write_features(struct metadata *metadata, char **features) {
	struct json_writer *writer = &metadata->writer;

	json_write_object(writer, "features");
	for (size_t i = 0; features[i]; i++) {
		_cleanup_(freep) char *path = NULL;
		_cleanup_(toml_strings_freep) char **values = NULL;

		int r = manifest_path("features", features[i], &path, metadata->fault);
		if (r == 0)
			r = manifest_get_strings(
				metadata->manifest, path, &values, metadata->fault);
		if (r < 0)
			return r;
		write_list(writer, features[i], values);
	}
	json_write_object_end(writer);
	return 0;
}

/* The texts of one badge. */
static int metadata_write_badge(struct metadata *metadata, const char *name) {
	_cleanup_(freep) char *path = NULL;
	_cleanup_(toml_strings_freep) char **keys = NULL;

	int r = manifest_path("badges", name, &path, metadata->fault);
	if (r == 0)
		r = manifest_get_keys(metadata->manifest, path, &keys, metadata->fault);
	if (r < 0)
		return r;
	json_write_object(&metadata->writer, name);
	for (size_t i = 0; r == 0 && keys[i]; i++) {
		_cleanup_(freep) char *below = NULL;
		_cleanup_(freep) char *value = NULL;

		r = manifest_path(path, keys[i], &below, metadata->fault);
		if (r == 0)
			r = manifest_get_string(metadata->manifest, below, &value, metadata->fault);
		json_write_string(&metadata->writer, keys[i], value);
	}
	json_write_object_end(&metadata->writer);
	return r;
}

static int metadata_write_badges(struct metadata *metadata) {
	_cleanup_(toml_strings_freep) char **names = NULL;

	int r = manifest_get_keys(metadata->manifest, "badges", &names, metadata->fault);
	if (r < 0)
		return r;
	json_write_object(&metadata->writer, "badges");
	for (size_t i = 0; r == 0 && names[i]; i++)
		r = metadata_write_badge(metadata, names[i]);
	json_write_object_end(&metadata->writer);
	return r;
}

/* Its whole text, or null. */
static int metadata_write_readme(
	struct metadata *metadata, const struct crate *crate, const char *name) {
	_cleanup_(freep) char *text = NULL;
	size_t size;

	if (!name) {
		json_write_string(&metadata->writer, "readme", NULL);
		return 0;
	}
	int r = crate_read_file(crate, name, README_MAX, &text, &size, metadata->fault);
	if (r < 0)
		return r;
	json_write_bytes(&metadata->writer, "readme", text, size);
	if (metadata->writer.error == -EINVAL)
		return fault_invalid(metadata->fault, "its readme is no UTF-8 text");
	return 0;
}

static int metadata_write_all(struct metadata *metadata, const struct package *package,
	const struct dependencies *dependencies, const struct crate *crate) {
	struct json_writer *writer = &metadata->writer;

	json_write_object(writer, NULL);
	json_write_string(writer, "name", package->name);
	json_write_string(writer, "vers", package->version);
	write_dependencies(writer, dependencies);
	int r = metadata_write_features(metadata, package->features);
	if (r < 0)
		return r;
	write_list(writer, "authors", package->authors);
	json_write_string(writer, "description", package->description);
	json_write_string(writer, "documentation", package->documentation);
	json_write_string(writer, "homepage", package->homepage);
	r = metadata_write_readme(metadata, crate, package->readme_file);
	if (r < 0)
		return r;
	json_write_string(writer, "readme_file", package->readme_file);
	write_list(writer, "keywords", package->keywords);
	write_list(writer, "categories", package->categories);
	json_write_string(writer, "license", package->license);
	json_write_string(writer, "license_file", package->license_file);
	json_write_string(writer, "repository", package->repository);
	r = metadata_write_badges(metadata);
	if (r < 0)
		return r;
	json_write_string(writer, "links", package->links);
	json_write_string(writer, "rust_version", package->rust_version);
	json_write_object_end(writer);
	return 0;
}

int metadata_write(const struct manifest *manifest, const struct package *package,
	const struct dependencies *dependencies, const struct crate *crate, int fd,
	uint64_t *ret_size, struct fault *fault) {
	_cleanup_(metadata_done) struct metadata metadata = {.manifest = manifest, .fault = fault};

	json_writer_init(&metadata.writer, false);
	int r = metadata_write_all(&metadata, package, dependencies, crate);
	if (r == 0)
		r = json_writer_finish(&metadata.writer);
	if (r == -EMSGSIZE)
		return fault_invalid(fault, "its manifest says too much");
	if (r < 0)
		return r;
	/* The newline that ends a line of the protocol is not sent. */
	size_t size = metadata.writer.size - 1;
	r = memory_file_write(fd, json_writer_bytes(&metadata.writer), size);
	if (r == 0)
		r = memory_file_seal(fd);
	if (r == 0)
		*ret_size = size;
	return r;
}
