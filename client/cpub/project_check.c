/*
 * A provider counts wherever it is named, also for a registry that is not the
 * one in question: a dependency from there is enough to make cargo start it.
 * Those that are built into cargo run no program but for one. An alias counts
 * always, as it can give a new meaning to a provider that the user chose.
 */

#include "project_check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cargo_config.h"
#include "cargo_provider.h"
#include "complaint.h"
#include "protocol/cleanup.h"
#include "protocol/toml.h"
#include "small_file.h"

#define FILE_MAX ((size_t) 64 * 1024)
#define SPACES " \t\n\r\f\v"

static int complain(const struct cargo_file *file, const char *key, char **ret_error) {
	int r = complaint_make(ret_error,
		"the project's '%s' sets %s (line %u), and cargo would run that program before you "
		"have approved anything; take it out, or put it into your own cargo configuration "
		"if you trust it",
		file->path, key, toml_line(file->document, key));

	return r == -EINVAL ? -EPERM : r;
}

/* The first word of a text, or the first text of a list: the program. 0, -ENOENT, -ENOMEM. */
static int first_word(const struct cargo_file *file, const char *key, char **ret) {
	_cleanup_(toml_strings_freep) char **words = NULL;
	_cleanup_(freep) char *text = NULL;
	int r = toml_get_string(file->document, key, &text);
	const char *start;

	if (r == 0) {
		start = text + strspn(text, SPACES);
		*ret = strndup(start, strcspn(start, SPACES));
		return *ret ? 0 : -ENOMEM;
	}
	if (r == -EBADMSG)
		r = toml_get_strings(file->document, key, &words);
	if (r < 0 || !words[0])
		return r == -ENOMEM ? r : -ENOENT; /* cargo takes no other type either. */
	*ret = strdup(words[0]);
	return *ret ? 0 : -ENOMEM;
}

static bool is_harmless(const struct cargo_file *file, const char *program) {
	static const char *const built_in[] = {"cargo:token", "cargo:libsecret", "cargo:paseto",
		"cargo:wincred", "cargo:macos-keychain"};

	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
		if (strcmp(program, built_in[i]) == 0)
			return true;
	}
	return cargo_provider_is_ours(program, file->root);
}

static int check_provider(const struct cargo_file *file, const char *key, char **ret_error) {
	_cleanup_(freep) char *program = NULL;
	int r = first_word(file, key, &program);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return is_harmless(file, program) ? 0 : complain(file, key, ret_error);
}

static int check_list(const struct cargo_file *file, char **ret_error) {
	size_t n = 0;
	int r = toml_get_size(file->document, CARGO_PROVIDER_LIST, &n);

	if (r < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		char key[64];

		snprintf(key, sizeof(key), CARGO_PROVIDER_LIST ".%zu", i);
		r = check_provider(file, key, ret_error);
	}
	return r;
}

static int check_registries(const struct cargo_file *file, char **ret_error) {
	_cleanup_(toml_strings_freep) char **names = NULL;
	int r = toml_get_keys(file->document, "registries", &names);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		_cleanup_(freep) char *key = NULL;

		/* One that holds a quote cannot be named here, nor used by cargo. */
		if (asprintf(&key, "registries.\"%s\".credential-provider", names[i]) < 0) {
			key = NULL;
			return -ENOMEM;
		}
		r = check_provider(file, key, ret_error);
	}
	return r;
}

static int check_file(const struct cargo_file *file, char **ret_error) {
	_cleanup_(toml_strings_freep) char **aliases = NULL;
	int r = toml_get_keys(file->document, "credential-alias", &aliases);

	if (r == -ENOMEM)
		return r;
	if (r == 0 && aliases[0])
		return complain(file, "credential-alias", ret_error);
	r = check_provider(file, "registry.credential-provider", ret_error);
	if (r == 0)
		r = check_list(file, ret_error);
	return r == 0 ? check_registries(file, ret_error) : r;
}

/* `[toolchain] path`, or a path alone, as in files of old. 0, -EPERM and a sentence, -ENOMEM. */
static int check_toolchain(const char *path, char **ret_error) {
	_cleanup_(toml_freep) struct toml_document *document = NULL;
	_cleanup_(freep) char *text = NULL, *why = NULL;
	bool has_path;
	size_t size;
	int r = small_file_read(path, FILE_MAX, &text, &size);

	if (r < 0)
		return r == -ENOMEM ? r : 0; /* What rustup cannot read it does not use. */
	r = toml_parse(text, size, &document, &why);
	if (r == -ENOMEM)
		return r;
	has_path = r == 0 ? toml_line(document, "toolchain.path") != 0 : strchr(text, '/') != NULL;
	if (!has_path)
		return 0;
	r = complaint_make(ret_error,
		"'%s' names a toolchain by its path, and rustup would run the cargo there before "
		"you have approved anything; choose one yourself with RUSTUP_TOOLCHAIN",
		path);
	return r == -EINVAL ? -EPERM : r;
}

/* From the current folder up, as rustup looks for it. */
static int check_toolchains(char **ret_error) {
	static const char *const names[] = {"rust-toolchain", "rust-toolchain.toml"};
	_cleanup_(freep) char *folder = getcwd(NULL, 0);
	int r = 0;

	if (getenv("RUSTUP_TOOLCHAIN"))
		return 0;
	while (r == 0 && folder && folder[0] == '/') {
		char path[PATH_MAX], *slash = strrchr(folder, '/');

		for (size_t i = 0; r == 0 && i < 2; i++) {
			snprintf(path, sizeof(path), "%s/%s", slash[1] ? folder : "", names[i]);
			r = check_toolchain(path, ret_error);
		}
		if (slash == folder && !slash[1])
			break;
		slash[slash == folder ? 1 : 0] = '\0';
	}
	return r;
}

int project_check(const struct cargo_config *config, char **ret_error) {
	int r = check_toolchains(ret_error);

	for (size_t i = 0; r == 0 && i < config->n_files; i++) {
		if (config->files[i].source != URL_SOURCE_USER)
			r = check_file(&config->files[i], ret_error);
	}
	return r;
}

bool project_has_rustc(const struct cargo_config *config) {
	for (size_t i = 0; i < config->n_files; i++) {
		if (config->files[i].source != URL_SOURCE_USER &&
			toml_line(config->files[i].document, "build.rustc") != 0)
			return true;
	}
	return false;
}
