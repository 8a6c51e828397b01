/*
 * Before cargo packages anything: which cargo, what of the project must not
 * run, which packages there are, and which registry is meant.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "project_check.h"
#include "project_git.h"
#include "publish.h"

static bool load_config(struct publish *publish) {
	_cleanup_(freep) char *error = NULL;
	int r = cargo_config_load(&publish->config, &error);

	if (r < 0)
		return publish_said(
			publish, verb_fail_configuration(publish->command, r, error));
	return true;
}

static bool check_project(struct publish *publish) {
	_cleanup_(freep) char *error = NULL;
	int r = project_check(publish->config, &error);

	if (r == -EPERM)
		return publish_fail_as(
			publish, EXIT_DENIED, "project-untrusted", "%s", error);
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
		return publish_fail_as(
			publish, EXIT_DENIED, "project-untrusted", "%s", error);
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
		arguments_format(
			&arguments, "--manifest-path=%s", publish->command->manifest_path);
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

/* As cargo does: `--registry`, `--index`, else the one that the manifests name, else crates.io. */
static bool find_registry(struct publish *publish) {
	const struct command *command = publish->command;
	const char *name = command->registry;
	_cleanup_(freep) char *error = NULL;
	int r;

	if (!name && !command->index && !publish->file)
		name = workspace_registry(&publish->workspace);
	r = registry_resolve(name, command->index, publish->config, &publish->registry, &error);
	if (r < 0)
		return publish_said(publish, verb_fail_configuration(command, r, error));
	if (publish->registry.file &&
		(publish->registry.source != URL_SOURCE_USER || command->print.is_verbose))
		publish_note(publish, "registry '%s' is %s, named by '%s'", publish->registry.name,
			publish->registry.index_url, publish->registry.file);
	publish->cargo.registry_name = publish->registry.name;
	return true;
}

bool publish_prepare(struct publish *publish) {
	if (!load_config(publish))
		return false;
	if (publish->file)
		return find_registry(publish);
	return check_project(publish) && find_cargo(publish) && read_workspace(publish) &&
	       check_repositories(publish) && find_registry(publish);
}
