#include "dependency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/manifest.h"
#include "agent/work/inspect/platform.h"
#include "agent/work/inspect/requirement.h"
#include "protocol/names.h"
#include "protocol/toml.h"

/* Crates.io takes 500. The names of as many as this fit into an answer. */
#define DEPENDENCIES_MAX ((size_t) 1500)

/* In cargo's order. The second names are those of old manifests. */
static const struct {
	const char *table;
	const char *old_table;
	const char *kind;
} kinds[] = {
	{"dependencies", NULL, "normal"},
	{"dev-dependencies", "dev_dependencies", "dev"},
	{"build-dependencies", "build_dependencies", "build"},
};
/* Of one platform they come in another. */
static const size_t order_of_all[] = {0, 1, 2};
static const size_t order_of_target[] = {0, 2, 1};

/* Keys by which a project finds what a registry does not have; cargo leaves them out. */
static const char *const local_keys[] = {
	"base", "branch", "git", "path", "registry", "rev", "tag", "workspace"};

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* Where a dependency is read from. */
struct place {
	const struct manifest *manifest;
	const char *index_url;
	struct dependencies *all;
	struct fault *fault;
	const char *target; /* as printed, or NULL */
};

static void dependency_done(struct dependency *dependency) {
	free(dependency->name);
	free(dependency->local_name);
	free(dependency->requirement);
	free(dependency->target);
	free(dependency->registry);
	free(dependency->for_target);
	toml_strings_free(dependency->artifacts);
	toml_strings_free(dependency->features);
}

void dependencies_done(struct dependencies *all) {
	for (size_t i = 0; i < all->n; i++)
		dependency_done(&all->list[i]);
	free(all->list);
	*all = (struct dependencies){0};
}

static int place_get_string(
	const struct place *place, const char *path, const char *key, char **ret) {
	_cleanup_(freep) char *below = NULL;
	int r = manifest_path(path, key, &below, place->fault);

	return r < 0 ? r : manifest_get_string(place->manifest, below, ret, place->fault);
}

static int place_get_bool(
	const struct place *place, const char *path, const char *key, bool otherwise, bool *ret) {
	_cleanup_(freep) char *below = NULL;
	int r = manifest_path(path, key, &below, place->fault);

	return r < 0 ? r : manifest_get_bool(place->manifest, below, otherwise, ret, place->fault);
}

static int place_get_strings(
	const struct place *place, const char *path, const char *key, char ***ret) {
	_cleanup_(freep) char *below = NULL;
	int r = manifest_path(path, key, &below, place->fault);

	return r < 0 ? r : manifest_get_strings(place->manifest, below, ret, place->fault);
}

static bool place_has(const struct place *place, const char *path, const char *key) {
	_cleanup_(freep) char *below = NULL;

	return asprintf(&below, "%s.%s", path, key) >= 0 && manifest_has(place->manifest, below);
}

static int dependency_set_requirement(
	struct dependency *dependency, const char *version, const char *key, struct fault *fault) {
	if (!version)
		return fault_invalid(fault, "its dependency '%.80s' has no version", key);
	int r = requirement_print(version, &dependency->requirement);
	if (r == -EINVAL)
		return fault_invalid(
			fault, "its dependency '%.80s' has an odd version: '%.80s'", key, version);
	return r;
}

/* Without a registry it is from crates.io, whichever one it is published to. */
static int dependency_set_registry(
	struct dependency *dependency, const char *index_url, char *registry) {
	_cleanup_(freep) char *url = registry ? registry : strdup(CRATES_IO_INDEX);
	_cleanup_(freep) char *canonical = NULL;

	if (!url)
		return -ENOMEM;
	int r = registry_url_canonical(url, &canonical);
	if (r == -ENOMEM)
		return r;
	/* An odd one is told as it is, and is none of ours. */
	if (r < 0 || strcmp(canonical, index_url) != 0)
		dependency->registry = TAKE_PTR(url);
	return 0;
}

/* `artifact` is one kind or a list of them. */
static int dependency_read_artifact(
	struct dependency *dependency, const struct place *place, const char *path) {
	_cleanup_(freep) char *below = NULL;
	_cleanup_(freep) char *one = NULL;

	if (!place_has(place, path, "artifact"))
		return 0;
	int r = place_get_string(place, path, "target", &dependency->for_target);
	if (r == 0)
		r = place_get_bool(place, path, "lib", false, &dependency->is_library);
	if (r == 0)
		r = manifest_path(path, "artifact", &below, place->fault);
	if (r < 0)
		return r;
	if (manifest_has_list(place->manifest, below))
		return manifest_get_strings(
			place->manifest, below, &dependency->artifacts, place->fault);
	r = manifest_get_string(place->manifest, below, &one, place->fault);
	if (r < 0)
		return r;
	dependency->artifacts = calloc(2, sizeof(*dependency->artifacts));
	if (!dependency->artifacts)
		return -ENOMEM;
	dependency->artifacts[0] = TAKE_PTR(one);
	return 0;
}

static int dependency_check_keys(const struct place *place, const char *path, const char *key) {
	for (size_t i = 0; i < N_ELEMENTS(local_keys); i++) {
		if (place_has(place, path, local_keys[i]))
			return fault_invalid(place->fault,
				"its dependency '%.80s' has '%s', which is not for publishing", key,
				local_keys[i]);
	}
	return 0;
}

static int dependency_read_defaults(
	struct dependency *dependency, const struct place *place, const char *path) {
	const char *key = place_has(place, path, "default-features") ? "default-features"
								     : "default_features";

	return place_get_bool(place, path, key, true, &dependency->has_default_features);
}

static int dependency_read_table(struct dependency *dependency, const struct place *place,
	const char *path, const char *key) {
	_cleanup_(freep) char *version = NULL;
	_cleanup_(freep) char *package = NULL;
	char *registry = NULL;

	int r = dependency_check_keys(place, path, key);
	if (r == 0)
		r = place_get_string(place, path, "version", &version);
	if (r == 0)
		r = dependency_set_requirement(dependency, version, key, place->fault);
	if (r == 0)
		r = place_get_string(place, path, "package", &package);
	if (r == 0)
		r = place_get_bool(place, path, "optional", false, &dependency->is_optional);
	if (r == 0)
		r = dependency_read_defaults(dependency, place, path);
	if (r == 0)
		r = place_get_strings(place, path, "features", &dependency->features);
	if (r == 0)
		r = dependency_read_artifact(dependency, place, path);
	if (r == 0)
		r = place_get_string(place, path, "registry-index", &registry);
	if (r == 0)
		r = dependency_set_registry(dependency, place->index_url, registry);
	if (r < 0)
		return r;
	dependency->name = strdup(package ? package : key);
	if (package)
		dependency->local_name = strdup(key);
	return dependency->name && (!package || dependency->local_name) ? 0 : -ENOMEM;
}

/* `name = "1.0"` */
static int dependency_read_short(struct dependency *dependency, const struct place *place,
	const char *path, const char *key) {
	_cleanup_(freep) char *version = NULL;

	int r = manifest_get_string(place->manifest, path, &version, place->fault);
	if (r == 0)
		r = dependency_set_requirement(dependency, version, key, place->fault);
	if (r == 0)
		r = dependency_set_registry(dependency, place->index_url, NULL);
	if (r < 0)
		return r;
	dependency->has_default_features = true;
	dependency->features = calloc(1, sizeof(*dependency->features));
	dependency->name = strdup(key);
	return dependency->features && dependency->name ? 0 : -ENOMEM;
}

static int dependencies_grow(struct dependencies *all, struct fault *fault) {
	if (all->n == DEPENDENCIES_MAX)
		return fault_invalid(fault, "it has more than %zu dependencies", DEPENDENCIES_MAX);
	if (all->n < all->n_room)
		return 0;
	size_t n_room = all->n_room > 0 ? 2 * all->n_room : 16;
	struct dependency *list = reallocarray(all->list, n_room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	all->list = list;
	all->n_room = n_room;
	return 0;
}

static int place_add(
	const struct place *place, const char *path, const char *key, const char *kind) {
	int r = dependencies_grow(place->all, place->fault);

	if (r < 0)
		return r;
	struct dependency *dependency = &place->all->list[place->all->n];
	*dependency = (struct dependency){.kind = kind};
	place->all->n++; /* It is dependencies_done's from here on, also half read. */
	r = manifest_has_table(place->manifest, path)
		    ? dependency_read_table(dependency, place, path, key)
		    : dependency_read_short(dependency, place, path, key);
	if (r < 0)
		return r;
	if (!crate_name_is_valid(dependency->name))
		return fault_invalid(
			place->fault, "its dependency '%.80s' has no valid name", dependency->name);
	if (!place->target)
		return 0;
	dependency->target = strdup(place->target);
	return dependency->target ? 0 : -ENOMEM;
}

/* All of one table, by name. */
static int place_add_table(const struct place *place, const char *path, const char *kind) {
	_cleanup_(toml_strings_freep) char **keys = NULL;

	int r = manifest_get_keys(place->manifest, path, &keys, place->fault);
	for (size_t i = 0; r == 0 && keys[i]; i++) {
		_cleanup_(freep) char *below = NULL;

		r = manifest_path(path, keys[i], &below, place->fault);
		if (r == 0)
			r = place_add(place, below, keys[i], kind);
	}
	return r;
}

/* The tables of the three kinds below that path. */
static int place_add_kinds(const struct place *place, const char *path, const size_t order[3]) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_ELEMENTS(kinds); i++) {
		const char *table = kinds[order[i]].table, *old = kinds[order[i]].old_table;
		_cleanup_(freep) char *below = NULL;
		_cleanup_(freep) char *old_below = NULL;

		r = manifest_path(path, table, &below, place->fault);
		if (r == 0 && old)
			r = manifest_path(path, old, &old_below, place->fault);
		if (r < 0)
			break;
		/* Cargo takes the old one where there is no new one. */
		bool is_old = old_below && !manifest_has(place->manifest, below);
		r = place_add_table(place, is_old ? old_below : below, kinds[order[i]].kind);
	}
	return r;
}

static int place_add_target(const struct place *all, const char *key) {
	_cleanup_(freep) char *path = NULL;
	_cleanup_(freep) char *target = NULL;

	int r = platform_print(key, &target);
	if (r == -EINVAL)
		return fault_invalid(all->fault, "its manifest has an odd platform: '%.100s'", key);
	if (r == 0)
		r = manifest_path("target", key, &path, all->fault);
	if (r < 0)
		return r;
	struct place place = *all;
	place.target = target;
	return place_add_kinds(&place, path, order_of_target);
}

int dependencies_read(const struct manifest *manifest, const char *index_url,
	struct dependencies *all, struct fault *fault) {
	const struct place place = {
		.manifest = manifest, .index_url = index_url, .all = all, .fault = fault};
	_cleanup_(toml_strings_freep) char **targets = NULL;

	int r = place_add_kinds(&place, "", order_of_all);
	if (r == 0)
		r = manifest_get_keys(manifest, "target", &targets, fault);
	for (size_t i = 0; r == 0 && targets[i]; i++)
		r = place_add_target(&place, targets[i]);
	return r;
}

static int compare_names(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int print_names(const char **names, size_t n, char **ret) {
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(names[i - 1], names[i]) != 0)
			(void) fprintf(out, "%s%s", i > 0 ? "\n" : "", names[i]);
	}
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

int dependencies_names(const struct dependencies *all, char **ret) {
	_cleanup_(freep) const char **names = calloc(all->n + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++) {
		if (!all->list[i].registry)
			names[n++] = all->list[i].name;
	}
	*ret = NULL;
	if (n == 0)
		return 0;
	qsort(names, n, sizeof(*names), compare_names);
	return print_names(names, n, ret);
}
