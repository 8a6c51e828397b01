/*
 * Publish: cargo packages without a build, the agent seals what came of it, a
 * person approves; only then cargo builds it as strangers will, the agent
 * compares, and sends what it has sealed. This program never sees the token.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "publish.h"
#include "stop.h"

#define SIZE_EVER INT64_C(0xffffffff)

/* "20000000", "20M", "20MiB", "20 MB": all by 1024, as a limit is no exact thing. */
static bool size_parse(const char *text, int64_t *ret) {
	static const char *const units[] = {"K", "M", "G"};
	char *end;
	long long size;

	errno = 0;
	size = strtoll(text, &end, 10);
	if (errno != 0 || end == text || size <= 0)
		return false;
	end += strspn(end, " ");
	for (size_t i = 0; i < 3; i++) {
		if (*end != units[i][0] || size > SIZE_EVER)
			continue;
		size <<= 10 * (i + 1);
		end++;
		if (strncmp(end, "iB", 2) == 0)
			end += 2;
		else if (*end == 'B')
			end++;
		break;
	}
	*ret = size;
	return *end == '\0' && size <= SIZE_EVER;
}

static bool has_package_options(const struct command *command) {
	return command->packages.n > 0 || command->excludes.n > 0 || command->features.n > 0 ||
	       command->workspace || command->all_features || command->no_default_features ||
	       command->manifest_path || command->target || command->allow_dirty ||
	       command->no_verify;
}

static enum exit_code check_words(struct command *command, struct publish *publish) {
	enum exit_code code = verb_check_registry(command);

	if (code != EXIT_DONE)
		return code;
	if (command->words.n > 1)
		return print_usage(&command->print,
			"one crate file is taken, not %zu; without one, what cargo packages here "
			"is published",
			command->words.n);
	publish->file = command->words.n > 0 ? command->words.items[0] : NULL;
	if (publish->file && has_package_options(command))
		return print_usage(&command->print,
			"a crate file is sent as it is, so no option for packaging goes with it");
	if (command->workspace && command->packages.n > 0)
		return print_usage(&command->print, "--workspace and --package exclude each other");
	if (command->excludes.n > 0 && !command->workspace)
		return print_usage(&command->print, "--exclude goes with --workspace only");
	if (command->max_size && !size_parse(command->max_size, &publish->size_max))
		return print_usage(&command->print,
			"--max-size takes a number of bytes up to 4 GiB, perhaps with K, M or G "
			"behind it");
	return EXIT_DONE;
}

static void on_progress(void *userdata, const char *stage, int64_t done, int64_t total) {
	struct publish *publish = userdata;
	const char *label = publish->progress_label;

	if (!label)
		return;
	/* The wait for the index is no work that gets done: only that it goes on is shown. */
	if (strcmp(stage, "index") == 0)
		label = "waiting for the index";
	progress_draw(&publish->progress, label, done, total);
}

static bool take_file(struct publish *publish) {
	_cleanup_(freep) char *path = NULL;
	int r;

	/* So that it has a last word behind a slash, as those of cargo have. */
	if (asprintf(&path, "%s%s", strchr(publish->file, '/') ? "" : "./", publish->file) < 0) {
		path = NULL;
		return publish_fail_errno(publish, -ENOMEM, NULL);
	}
	r = parcels_add(&publish->parcels, path);
	if (r < 0)
		return publish_fail_errno(publish, r, NULL);
	publish_note(publish, "a crate file is published as it is; no build tries it before");
	return true;
}

static bool all_are_listed(const struct publish *publish) {
	for (size_t i = 0; i < publish->parcels.n; i++) {
		if (publish->parcels.items[i].state != PARCEL_LISTED)
			return false;
	}
	return true;
}

/* The order of these is the promise: nobody's code but cargo's runs before the approval. */
static bool publish_run(struct publish *publish) {
	bool builds = !publish->file && !publish->command->no_verify;

	if (!publish_prepare(publish))
		return false;
	if (publish->file ? !take_file(publish) : !publish_package(publish))
		return false;
	if (!publish_seal(publish) || !publish_propose(publish))
		return false;
	if (builds && !all_are_listed(publish) &&
		(!publish_build(publish) || !publish_verify(publish)))
		return false;
	return publish->command->dry_run || publish_send(publish);
}

static void publish_done(struct publish *publish) {
	progress_clear(&publish->progress);
	conversation_done(&publish->conversation);
	parcels_done(&publish->parcels);
	workspace_done(&publish->workspace);
	registry_done(&publish->registry);
	cargo_config_free(publish->config);
	arguments_done(&publish->cargo.other_tokens);
	free(publish->cargo.program);
	free(publish->trouble.code);
	free(publish->trouble.message);
	free(publish->trouble.detail);
}

static enum exit_code run(struct command *command) {
	struct publish publish = {
		.command = command, .cargo = {.command = command}, .workplace = {.lock_fd = -1}};
	enum exit_code code = check_words(command, &publish);
	int r;

	if (code != EXIT_DONE)
		return code;
	r = stop_begin();
	if (r < 0)
		return verb_fail(command, r);
	conversation_init(&publish.conversation, command);
	publish.conversation.stop_fd = stop_fd();
	publish.conversation.on_progress = on_progress;
	publish.conversation.userdata = &publish;
	progress_init(&publish.progress, &command->print);

	(void) publish_run(&publish);
	/* The agent forgets what is left; the folder can take a while. */
	conversation_done(&publish.conversation);
	if (!workplace_done(&publish.workplace))
		print_note(&command->print,
			"Cargo.lock is no longer the one that was made for this, so it stays");
	code = publish_report(&publish);
	publish_done(&publish);
	(void) fflush(stdout); /* What follows may end us. */
	stop_end();
	return code;
}

static const struct verb_option options[] = {
	{"registry", 0, OPTION_TEXT, offsetof(struct command, registry)},
	{"index", 0, OPTION_TEXT, offsetof(struct command, index)},
	{"account", 0, OPTION_TEXT, offsetof(struct command, account)},
	{"package", 'p', OPTION_TEXTS, offsetof(struct command, packages)},
	{"workspace", 0, OPTION_FLAG, offsetof(struct command, workspace)},
	{"exclude", 0, OPTION_TEXTS, offsetof(struct command, excludes)},
	{"manifest-path", 0, OPTION_TEXT, offsetof(struct command, manifest_path)},
	{"features", 'F', OPTION_TEXTS, offsetof(struct command, features)},
	{"all-features", 0, OPTION_FLAG, offsetof(struct command, all_features)},
	{"no-default-features", 0, OPTION_FLAG, offsetof(struct command, no_default_features)},
	{"target", 0, OPTION_TEXT, offsetof(struct command, target)},
	{"allow-dirty", 0, OPTION_FLAG, offsetof(struct command, allow_dirty)},
	{"no-verify", 0, OPTION_FLAG, offsetof(struct command, no_verify)},
	{"dry-run", 0, OPTION_FLAG, offsetof(struct command, dry_run)},
	{"resume", 0, OPTION_FLAG, offsetof(struct command, resume)},
	{"no-wait", 0, OPTION_FLAG, offsetof(struct command, no_wait)},
	{"max-size", 0, OPTION_TEXT, offsetof(struct command, max_size)},
	{NULL, 0, OPTION_FLAG, 0},
};

const struct verb verb_publish = {
	.name = "publish",
	.summary = "Publish a crate, or a workspace",
	.help = "Usage: cpub-agent publish [--registry NAME | --index URL] [--account NAME]\n"
		"                          [--package SPEC]... [--workspace [--exclude SPEC]...]\n"
		"                          [--manifest-path PATH] [--features NAMES]...\n"
		"                          [--all-features] [--no-default-features]\n"
		"                          [--target TRIPLE] [--allow-dirty] [--no-verify]\n"
		"                          [--dry-run] [--resume] [--no-wait] [--max-size SIZE]\n"
		"                          [FILE.crate]\n"
		"\n"
		"Packages what is here, shows it, and asks for the passphrase, one for all\n"
		"crates; then builds it as others will, and sends exactly what you approved.\n"
		"The token goes from the agent to the registry and to nobody else.\n"
		"\n"
		"  --registry NAME     A registry of cargo's configuration (the default: cargo's\n"
		"                      default, else what the manifest names in `publish`, else\n"
		"                      crates-io)\n"
		"  --index URL         A registry by its index\n"
		"  --account NAME      Which of its accounts (the default: default)\n"
		"  -p, --package SPEC  A package of the workspace, again for more\n"
		"  --workspace         All packages that may be published\n"
		"  --exclude SPEC      But not this one\n"
		"  --manifest-path PATH  Its Cargo.toml, if it is not the nearest one\n"
		"  -F, --features NAMES  For the build: features to switch on\n"
		"  --all-features      For the build: all of them\n"
		"  --no-default-features  For the build: not the default ones\n"
		"  --target TRIPLE     For the build: for which machine\n"
		"  --allow-dirty       Take what is not committed too\n"
		"  --no-verify         Do not build it\n"
		"  --dry-run           Do all but ask and send\n"
		"  --resume            Pass over what the index has with the same checksum\n"
		"  --no-wait           Do not wait at the end until the index lists it\n"
		"  --max-size SIZE     The largest crate file that is taken, as 20M (the\n"
		"                      default: 10M at crates.io, else 512M)\n"
		"\n"
		"A file FILE.crate, as `cargo package` makes it, is sent as it is, without a\n"
		"build.\n",
	.takes = "FILE.crate",
	.options = options,
	.run = run,
};
