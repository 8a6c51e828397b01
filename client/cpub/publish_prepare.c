/*
 * Before cargo packages anything: which cargo, what of the project must not
 * run, which packages there are, and which registry is meant.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "cargo_token.h"
#include "destination.h"
#include "project_check.h"
#include "project_git.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "publish.h"

static bool load_config(struct publish *publish) {
	_cleanup_(freep) char *error = NULL;
	int r = cargo_config_load(&publish->config, &error);

	if (r < 0)
		return publish_said(publish, verb_fail_configuration(publish->command, r, error));
	return true;
}

static bool check_project(struct publish *publish) {
	_cleanup_(freep) char *error = NULL;
	int r = project_check(publish->config, &error);

	if (r == -EPERM)
		return publish_fail_as(publish, EXIT_DENIED, "project-untrusted", "%s", error);
	if (r < 0)
		return publish_fail_errno(publish, r, NULL);
	publish->cargo.has_foreign_rustc = project_has_rustc(publish->config);
	publish->cargo.has_foreign_variables = project_has_variables(publish->config);
	return true;
}

/* Not for what is only looked up in manifests: git is asked for the first time by what packages. */
static bool check_repositories(struct publish *publish) {
	_cleanup_(freep) char *error = NULL;
	int r = project_git_check(&publish->workspace, &error);

	if (r == -EPERM)
		return publish_fail_as(publish, EXIT_DENIED, "project-untrusted", "%s", error);
	return r == 0 || publish_fail_errno(publish, r, "the git repository cannot be checked");
}

static bool find_cargo(struct publish *publish) {
	int r = cargo_find(&publish->cargo.program);

	if (r == -ENOENT)
		return publish_fail_as(publish, EXIT_FAILED, "no-cargo",
			"no cargo was found in PATH; install Rust, or give its path in CARGO");
	return r == 0 || publish_fail_errno(publish, r, NULL);
}

/* Without dependencies: nothing is resolved, fetched or compiled for it. */
static bool read_workspace(struct publish *publish) {
	_cleanup_(arguments_done) struct arguments arguments = {0};
	_cleanup_(freep) char *output = NULL;
	size_t size = 0;
	int r;

	arguments_add(&arguments, "cargo");
	arguments_add(&arguments, "metadata");
	arguments_add(&arguments, "--no-deps");
	arguments_add(&arguments, "--format-version=1");
	if (publish->command->manifest_path)
		arguments_format(&arguments, "--manifest-path=%s", publish->command->manifest_path);
	r = cargo_run(&publish->cargo, &arguments, CARGO_ALONE, NULL, &output, &size);
	if (r < 0)
		return publish_fail_errno(publish, r, "cargo could not be run");
	if (r > 0)
		return publish_fail_as(publish, EXIT_FAILED, "cargo-failed",
			"cargo cannot read the package here; nothing was sent");
	r = workspace_read(output, size, &publish->workspace);
	if (r == -EBADMSG)
		return publish_fail_as(publish, EXIT_FAILED, "cargo-failed",
			"what `cargo metadata` tells of the package here makes no sense");
	return r == 0 || publish_fail_errno(publish, r, NULL);
}

/* As cargo does: `--registry`, `--index`, its default, what the manifests name, or crates.io. */
static int resolve_registry(struct publish *publish, bool *ret_is_default, char **ret_error) {
	const struct command *command = publish->command;
	const char *name = command->registry;
	bool is_named = name || command->index;
	int r = registry_resolve_default(publish->config, &publish->registry, ret_error);

	publish->has_default = r != -ENOENT;
	*ret_is_default = r == 0 && !is_named;
	if (*ret_is_default || (r < 0 && r != -ENOENT && !is_named))
		return r;
	/* Another is meant, so it does not matter whether the default is any good. */
	registry_done(&publish->registry);
	free(*ret_error);
	*ret_error = NULL;
	if (!name && !command->index && !publish->file)
		name = workspace_registry(&publish->workspace, command);
	return registry_resolve(
		name, command->index, publish->config, &publish->registry, ret_error);
}

static bool find_registry(struct publish *publish) {
	const struct command *command = publish->command;
	_cleanup_(freep) char *error = NULL;
	bool is_default;
	int r = resolve_registry(publish, &is_default, &error);

	if (r < 0)
		return publish_said(publish, verb_fail_configuration(command, r, error));
	if (is_default)
		destination_tell_default(command, &publish->registry);
	else if (publish->registry.file &&
		 (publish->registry.source != URL_SOURCE_USER || command->print.is_verbose))
		publish_note(publish, "registry '%s' is %s, named by '%s'", publish->registry.name,
			publish->registry.index_url, publish->registry.file);
	publish->cargo.registry_name = publish->registry.name;
	r = cargo_tokens_find_others(
		publish->config, &publish->registry, &publish->cargo.other_tokens);
	if (r == 0 && publish->cargo.other_tokens.has_failed)
		r = -ENOMEM;
	return r == 0 || publish_fail_errno(publish, r, NULL);
}

/* One of these names is the registry that --index means. */
static bool has_index(struct publish *publish, const struct json *names) {
	_cleanup_(freep) char *wanted = NULL;

	if (registry_url_canonical(publish->registry.index_url, &wanted) < 0)
		return true; /* What is wrong with it the agent tells. */
	for (const struct json *one = json_first(names); one; one = json_next(one)) {
		_cleanup_(registry_done) struct registry registry = {0};
		_cleanup_(freep) char *error = NULL, *its = NULL;

		if (registry_resolve(json_string(one), NULL, publish->config, &registry, &error) ==
				0 &&
			registry_url_canonical(registry.index_url, &its) == 0 &&
			strcmp(its, wanted) == 0)
			return true;
	}
	return false;
}

/* cargo compares names alone, so with an index it lets anything through. */
static bool check_bounds(struct publish *publish) {
	const struct json *names;
	const char *package;
	size_t index = 0;

	if (!publish->command->index)
		return true;
	while ((package = workspace_next_bound(
			&publish->workspace, publish->command, &index, &names))) {
		if (!has_index(publish, names))
			return publish_fail_as(publish, EXIT_USAGE, "wrong-registry",
				"%s is not for this registry: none of those in `publish` of its "
				"manifest is %s by your cargo configuration",
				package, publish->registry.index_url);
	}
	return true;
}

bool publish_prepare(struct publish *publish) {
	if (!load_config(publish))
		return false;
	if (publish->file)
		return find_registry(publish);
	return check_project(publish) && find_cargo(publish) && read_workspace(publish) &&
	       check_repositories(publish) && find_registry(publish) && check_bounds(publish);
}
