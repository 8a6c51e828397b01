/*
 * What a file of the project may set is told by a list of what does no harm, so
 * that a table that some later cargo takes programs from is refused, not missed.
 * Of the variables for rustc only those are refused that make rustc, rustup, a
 * shell, the loader or libc run something: builds need others of any name.
 *
 * A provider counts wherever it is named, also for a registry that is not the
 * one in question: a dependency from there is enough to make cargo start it.
 * Those that are built into cargo run no program but for one. An alias counts
 * always, as it can give a new meaning to a provider that the user chose.
 */

#include "project_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_config.h"
#include "cargo_provider.h"
#include "complaint.h"
#include "protocol/cleanup.h"
#include "protocol/toml.h"
#include "project_toolchain.h"

#define SPACES " \t\n\r\f\v"

/* Cargo without a build takes nothing to run from these, but for what is checked below. */
static const char *const tables[] = {"alias", "build", "cache", "cargo-new", "credential-alias",
	"doc", "env", "future-incompat-report", "gc", "host", "http", "include", "install", "lints",
	"net", "patch", "paths", "profile", "registries", "registry", "resolver", "source",
	"target", "target-applies-to-host", "term", "unstable"};

/* Those of a manifest, written into the wrong file: cargo warns of them at most. */
static const char *const manifest_tables[] = {"badges", "bench", "bin", "build-dependencies",
	"dependencies", "dev-dependencies", "example", "features", "lib", "metadata", "package",
	"replace", "test", "workspace"};

/* How cargo reaches registries, with our token where one wants it for reads. */
static const char *const ways[] = {"http.proxy", "http.cainfo", "http.proxy-cainfo"};

/* Variables for rustc, and so for rustup's stand-in and a person's own wrapper script. */
static const char *const variables[] = {"PATH", "HOME", "CARGO", "CARGO_HOME", "GCONV_PATH",
	"GLIBC_TUNABLES", "LOCPATH", "NLSPATH", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "IFS",
	"ZDOTDIR", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "GIT_ASKPASS", "GIT_COMMON_DIR",
	"GIT_DIR", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER",
	"GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_TEMPLATE_DIR", "GIT_WORK_TREE"};
static const char *const variable_starts[] = {"LD_", "RUSTUP_", "RUSTC", "GIT_CONFIG", "GIT_SSH",
	"SSH_", "BASH_FUNC_", "PERL5", "ASDF_", "MISE_"};

#define N(list) (sizeof(list) / sizeof((list)[0]))

/* All that is refused can be had by one who trusts it. */
#define REMEDY                                                                                     \
	"take it out, or put it into your own cargo configuration if you trust it; "               \
	"called from outside of the project with --manifest-path, none of its configuration "      \
	"counts"

static int refuse(
	const struct cargo_file *file, const char *key, const char *why, char **ret_error) {
	int r = complaint_make(ret_error, "the project's '%s' sets %s (line %u), %s; " REMEDY,
		file->path, key, toml_line(file->document, key), why);

	return r == -EINVAL ? -EPERM : r;
}

static int complain(const struct cargo_file *file, const char *key, char **ret_error) {
	return refuse(file, key,
		"and cargo would run that program before you have approved anything", ret_error);
}

static bool is_one_of(const char *text, const char *const *list, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, list[i]) == 0)
			return true;
	}
	return false;
}

static int check_tables(const struct cargo_file *file, char **ret_error) {
	_cleanup_(toml_strings_freep) char **names = NULL;
	int r = toml_get_keys(file->document, NULL, &names);

	if (r < 0)
		return r;
	for (size_t i = 0; names[i]; i++) {
		if (!is_one_of(names[i], tables, N(tables)) &&
			!is_one_of(names[i], manifest_tables, N(manifest_tables)))
			return refuse(file, names[i],
				"which cpub-agent does not know, and for all it knows cargo runs "
				"what it names",
				ret_error);
	}
	for (size_t i = 0; i < N(ways); i++) {
		if (toml_line(file->document, ways[i]) != 0)
			return refuse(file, ways[i],
				"and a project does not choose how a token travels", ret_error);
	}
	return 0;
}

static bool is_dangerous(const char *variable) {
	/* So common, and rustc alone heeds it. */
	if (strcmp(variable, "RUSTC_BOOTSTRAP") == 0)
		return false;
	for (size_t i = 0; i < N(variable_starts); i++) {
		if (strncmp(variable, variable_starts[i], strlen(variable_starts[i])) == 0)
			return true;
	}
	return is_one_of(variable, variables, N(variables));
}

static int check_variables(const struct cargo_file *file, char **ret_error) {
	_cleanup_(toml_strings_freep) char **names = NULL;
	int r = toml_get_keys(file->document, "env", &names);

	if (r < 0)
		return r == -ENOMEM ? r : 0; /* Of no other type is it taken. */
	for (size_t i = 0; names[i]; i++) {
		_cleanup_(freep) char *key = NULL;

		if (!is_dangerous(names[i]))
			continue;
		if (asprintf(&key, "env.%s", names[i]) < 0) {
			key = NULL;
			return -ENOMEM;
		}
		return refuse(file, key,
			"with which a program can be made to run before you have approved anything",
			ret_error);
	}
	return 0;
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

	return is_one_of(program, built_in, N(built_in)) ||
	       cargo_provider_is_ours(program, file->root);
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
	int r = check_tables(file, ret_error);

	if (r == 0)
		r = check_variables(file, ret_error);
	if (r < 0)
		return r;
	r = toml_get_keys(file->document, "credential-alias", &aliases);
	if (r == -ENOMEM)
		return r;
	if (r == 0 && aliases[0])
		return complain(file, "credential-alias", ret_error);
	r = check_provider(file, "registry.credential-provider", ret_error);
	if (r == 0)
		r = check_list(file, ret_error);
	return r == 0 ? check_registries(file, ret_error) : r;
}

int project_check(const struct cargo_config *config, char **ret_error) {
	int r = project_toolchain_check(ret_error);

	for (size_t i = 0; r == 0 && i < config->n_files; i++) {
		if (config->files[i].source != URL_SOURCE_USER)
			r = check_file(&config->files[i], ret_error);
	}
	return r;
}

static bool sets(const struct cargo_config *config, const char *key) {
	for (size_t i = 0; i < config->n_files; i++) {
		if (config->files[i].source != URL_SOURCE_USER &&
			toml_line(config->files[i].document, key) != 0)
			return true;
	}
	return false;
}

bool project_has_rustc(const struct cargo_config *config) {
	return sets(config, "build.rustc");
}

bool project_has_variables(const struct cargo_config *config) {
	return sets(config, "env");
}
