/*
 * What cargo makes of the project. First without a build, into a folder that is
 * new: what comes of that is what the agent is shown. Later with a build, in the
 * target folder as ever, so that what was built before need not be built again:
 * whatever strangers' code makes of the file there, it is only compared.
 */

#include <errno.h>
#include <string.h>

#include "protocol/names.h"
#include "publish.h"

static void begin(struct arguments *arguments, const char *verb) {
	arguments_add(arguments, "cargo");
	arguments_add(arguments, verb);
}

/* Behind what the help says of an option: on a narrow terminal that takes more than one line. */
static const char *option_end(const char *option) {
	for (const char *at = option; (at = strchr(at, '\n')); ) {
		at += 1 + strspn(at + 1, " ");
		if (*at == '-' || *at == '\n')
			return at;
	}
	return option + strlen(option);
}

/* From cargo 1.83 to 1.89 its help has the option, which that cargo then refuses as unstable. */
static bool help_has_registry(const char *help) {
	static const char unstable[] = "(unstable)";
	const char *option = strstr(help, "--registry");

	return option && !memmem(option, (size_t) (option_end(option) - option), unstable,
				 strlen(unstable));
}

/* Packages of a workspace that need each other came with `cargo package --registry`. */
static bool find_out_age(struct publish *publish) {
	_cleanup_(arguments_done) struct arguments arguments = {0};
	_cleanup_(freep) char *output = NULL;
	size_t size;
	int r;

	begin(&arguments, "package");
	arguments_add(&arguments, "-h");
	r = cargo_run(&publish->cargo, &arguments, CARGO_ALONE, NULL, &output, &size);
	if (r < 0)
		return publish_fail_errno(publish, r, "cargo could not be run");
	publish->cargo.is_old = !output || !help_has_registry(output);
	return true;
}

/* Members that stay here are no mistake where nobody named them. */
static void add_selection(const struct publish *publish, struct arguments *arguments) {
	const struct command *command = publish->command;
	const struct workspace *workspace = &publish->workspace;
	const char *name;
	size_t index = 0;

	for (size_t i = 0; i < command->packages.n; i++)
		arguments_format(arguments, "--package=%s", command->packages.items[i]);
	if (command->workspace) {
		arguments_add(arguments, "--workspace");
		for (size_t i = 0; i < command->excludes.n; i++)
			arguments_format(arguments, "--exclude=%s", command->excludes.items[i]);
		while ((name = workspace_next(workspace, true, false, &index)))
			arguments_format(arguments, "--exclude=%s", name);
	} else if (command->packages.n == 0 && workspace_is_virtual(workspace)) {
		while ((name = workspace_next(workspace, false, true, &index)))
			arguments_format(arguments, "--package=%s", name);
	}
}

static void add_options(const struct publish *publish, struct arguments *arguments) {
	const struct command *command = publish->command;
	const struct registry *registry = &publish->registry;

	if (command->manifest_path)
		arguments_format(arguments, "--manifest-path=%s", command->manifest_path);
	for (size_t i = 0; i < command->features.n; i++)
		arguments_format(arguments, "--features=%s", command->features.items[i]);
	if (command->all_features)
		arguments_add(arguments, "--all-features");
	if (command->no_default_features)
		arguments_add(arguments, "--no-default-features");
	if (command->allow_dirty)
		arguments_add(arguments, "--allow-dirty");
	if (command->target)
		arguments_format(arguments, "--target=%s", command->target);
	if (command->print.is_quiet || command->print.is_json)
		arguments_add(arguments, "--quiet");
	if (command->color)
		arguments_format(arguments, "--color=%s", command->color);
	if (publish->cargo.is_old)
		return;
	if (!registry->name)
		arguments_format(arguments, "--index=%s", registry->index_url);
	else if (publish->has_default || strcmp(registry->name, CRATES_IO_NAME) != 0)
		arguments_format(arguments, "--registry=%s", registry->name);
}

/* Without one cargo resolves anew each time, and what is built need not be what was approved. */
static bool make_lockfile(struct publish *publish) {
	_cleanup_(arguments_done) struct arguments arguments = {0};
	int r = workplace_lacks_lockfile(&publish->workplace, publish->workspace.root), noted;

	if (r <= 0)
		return r == 0 || publish_fail_errno(publish, r, NULL);
	publish_note(
		publish, "there is no Cargo.lock; one is made for this, and removed afterwards");
	begin(&arguments, "generate-lockfile");
	if (publish->command->manifest_path)
		arguments_format(&arguments, "--manifest-path=%s", publish->command->manifest_path);
	if (!publish->command->print.is_verbose)
		arguments_add(&arguments, "--quiet");
	r = cargo_run(
		&publish->cargo, &arguments, CARGO_ALONE, publish->workplace.folder, NULL, NULL);
	noted = workplace_note_lockfile(&publish->workplace);
	if (r < 0)
		return publish_fail_errno(publish, r, "cargo could not be run");
	if (r > 0)
		return publish_fail_as(publish, EXIT_FAILED, "cargo-failed",
			"cargo could not make a Cargo.lock; nothing was sent");
	return noted == 0 ||
	       publish_fail_errno(publish, noted, "it cannot be noted which Cargo.lock was made");
}

static bool has_anything(struct publish *publish) {
	const struct command *command = publish->command;
	size_t index = 0;

	if (command->packages.n > 0 ||
		workspace_next(&publish->workspace, false, !command->workspace, &index))
		return true;
	return publish_fail_as(publish, EXIT_FAILED, "nothing-to-publish",
		"every package here has `publish = false` in its manifest, so there is nothing to "
		"publish");
}

static bool selects_several(const struct publish *publish) {
	const struct command *command = publish->command;
	size_t n = command->packages.n, index = 0;

	if (n == 0) {
		while (workspace_next(&publish->workspace, false, !command->workspace, &index))
			n++;
	}
	return n > 1;
}

static bool fail_package(struct publish *publish, bool builds) {
	if (publish->cargo.is_old && selects_several(publish))
		return publish_fail_as(publish, EXIT_FAILED, "cargo-failed",
			"cargo failed, and nothing was sent; a cargo as old as this one cannot "
			"package crates that need each other before the first of them is in the "
			"registry: publish them one by one with `-p`, or update cargo");
	return publish_fail_as(publish, EXIT_FAILED, "cargo-failed",
		builds ? "the crate does not build as cargo packages it; nothing was sent"
		       : "cargo could not package the crate; nothing was sent");
}

static bool run_package(struct publish *publish, bool builds) {
	const char *folder = publish->workplace.folder;
	_cleanup_(arguments_done) struct arguments arguments = {0};
	int r;

	begin(&arguments, "package");
	add_selection(publish, &arguments);
	add_options(publish, &arguments);
	if (!builds) {
		arguments_add(&arguments, "--no-verify");
		arguments_format(&arguments, "--target-dir=%s", folder);
	}
	r = cargo_run(&publish->cargo, &arguments, builds ? CARGO_BUILDS : CARGO_ALONE,
		builds ? NULL : folder, NULL, NULL);
	if (r < 0)
		return publish_fail_errno(publish, r, "cargo could not be run");
	return r == 0 || fail_package(publish, builds);
}

bool publish_package(struct publish *publish) {
	_cleanup_(freep) char *folder = NULL;
	int r;

	if (!has_anything(publish) || !find_out_age(publish))
		return false;
	r = workplace_make(&publish->workplace, publish->workspace.target, publish->command->umask);
	if (r < 0)
		return publish_fail_errno(
			publish, r, "no folder can be made in cargo's target folder");
	if (publish->workplace.left_lockfile)
		publish_note(publish,
			"'%s' was made by a publish that was killed, and stays; remove it if you "
			"keep none",
			publish->workplace.left_lockfile);
	if (!make_lockfile(publish) || !run_package(publish, false))
		return false;
	if (asprintf(&folder, "%s/package", publish->workplace.folder) < 0) {
		folder = NULL;
		return publish_fail_errno(publish, -ENOMEM, NULL);
	}
	r = parcels_find(&publish->parcels, folder);
	if (r == -E2BIG)
		return publish_fail_as(publish, EXIT_USAGE, "too-many",
			"more than %d crates cannot be published at once; choose some with `-p`",
			PARCELS_MAX);
	if (r < 0)
		return publish_fail_errno(publish, r, "cargo packaged, and left no file");
	return true;
}

bool publish_build(struct publish *publish) {
	return run_package(publish, true);
}

char *publish_built_path(const struct publish *publish, const struct parcel *parcel) {
	char *path;

	return asprintf(&path, "%s/package/%s", publish->workspace.target,
		       strrchr(parcel->path, '/') + 1) < 0
		       ? NULL
		       : path;
}
