#include "workspace.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_metadata.h"
#include "protocol/json.h"
#include "verb.h"

int workspace_read(char *text, size_t size, struct workspace *ret) {
	_cleanup_(json_freep) struct json *metadata = NULL;
	int r;

	cargo_metadata_thin(text, size);
	r = json_parse(text, size, &metadata);
	if (r < 0)
		return r;
	ret->root = json_string(json_member(metadata, "workspace_root"));
	ret->target = json_string(json_member(metadata, "target_directory"));
	if (!ret->root || !ret->target || !json_is_array(json_member(metadata, "packages")))
		return -EBADMSG;
	ret->metadata = TAKE_PTR(metadata);
	return 0;
}

void workspace_done(struct workspace *workspace) {
	workspace->metadata = json_free(workspace->metadata);
}

static const struct json *packages_of(const struct workspace *workspace) {
	return json_member(workspace->metadata, "packages");
}

static const char *name_of(const struct json *package) {
	const char *name = json_string(json_member(package, "name"));

	return name ? name : "";
}

static bool has_text(const struct json *array, const char *text) {
	for (const struct json *one = json_first(array); one; one = json_next(one)) {
		const char *item = json_string(one);

		if (item && strcmp(item, text) == 0)
			return true;
	}
	return false;
}

/* `publish = false` is an empty list; null: everywhere. */
static bool stays_here(const struct json *package) {
	const struct json *list = json_member(package, "publish");

	return json_is_array(list) && json_n_elements(list) == 0;
}

static bool is_taken(const struct workspace *workspace, const struct json *package) {
	const struct json *taken = json_member(workspace->metadata, "workspace_default_members");
	const char *id = json_string(json_member(package, "id"));

	/* Before 1.71 cargo did not tell. */
	return !json_is_array(taken) || (id && has_text(taken, id));
}

const char *workspace_next(
	const struct workspace *workspace, bool is_private, bool is_default, size_t *index) {
	for (;;) {
		const struct json *package = json_element(packages_of(workspace), (*index)++);

		if (!package)
			return NULL;
		if (stays_here(package) == is_private &&
			(!is_default || is_taken(workspace, package)))
			return name_of(package);
	}
}

const char *workspace_next_manifest(const struct workspace *workspace, size_t *index) {
	const struct json *package = json_element(packages_of(workspace), (*index)++);
	const char *path = json_string(json_member(package, "manifest_path"));

	return path || !package ? path : "";
}

/* By cargo's package ID specifications. One with a URL is taken for all: it is rare. */
static bool is_spec_of(const char *spec, const char *name) {
	size_t size = strcspn(spec, "@:");
	_cleanup_(freep) char *pattern = strndup(spec, size);

	return strstr(spec, "://") || !pattern || fnmatch(pattern, name, 0) == 0;
}

static bool is_named(const struct texts *specs, const char *name) {
	for (size_t i = 0; i < specs->n; i++) {
		if (is_spec_of(specs->items[i], name))
			return true;
	}
	return false;
}

static bool is_chosen(const struct workspace *workspace, const struct command *command,
	const struct json *package) {
	if (stays_here(package))
		return false;
	if (command->packages.n > 0)
		return is_named(&command->packages, name_of(package));
	if (command->workspace)
		return !is_named(&command->excludes, name_of(package));
	return is_taken(workspace, package);
}

const char *workspace_registry(const struct workspace *workspace, const struct command *command) {
	const struct json *package = json_first(packages_of(workspace));
	const char *found = NULL;

	for (; package; package = json_next(package)) {
		const struct json *list = json_member(package, "publish");
		const char *name = json_string(json_first(list));

		if (!is_chosen(workspace, command, package))
			continue;
		if (json_n_elements(list) != 1 || !name || (found && strcmp(found, name) != 0))
			return NULL;
		found = name;
	}
	return found;
}

const char *workspace_next_bound(const struct workspace *workspace, const struct command *command,
	size_t *index, const struct json **ret_names) {
	for (;;) {
		const struct json *package = json_element(packages_of(workspace), (*index)++);
		const struct json *list = json_member(package, "publish");

		if (!package)
			return NULL;
		if (!is_chosen(workspace, command, package) || !json_is_array(list))
			continue;
		*ret_names = list;
		return name_of(package);
	}
}

bool workspace_is_virtual(const struct workspace *workspace) {
	const struct json *taken = json_member(workspace->metadata, "workspace_default_members");
	const struct json *package = json_first(packages_of(workspace));
	size_t size = strlen(workspace->root);

	/* Called from within a member, cargo takes that alone. */
	if (json_n_elements(taken) == 1)
		return false;
	for (; package; package = json_next(package)) {
		const char *path = json_string(json_member(package, "manifest_path"));

		if (path && strncmp(path, workspace->root, size) == 0 &&
			strcmp(path + size, "/Cargo.toml") == 0)
			return false;
	}
	return true;
}
