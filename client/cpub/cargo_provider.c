/*
 * What is said here was compared with cargo 1.95:
 * - The environment wins over credentials.toml, that over the other files.
 * - registry.credential-provider (crates.io) and registries.NAME.credential-provider
 *   stand alone. Without one, the lists of all files are put together, the nearest
 *   file last and the environment behind it, and asked from the last to the first.
 * - An item without arguments can be an alias, also if it is an absolute path.
 */

#include "cargo_provider.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cargo_config.h"
#include "complaint.h"
#include "protocol/toml.h"

#define SPACES " \t\n\r\f\v"
#define BUILT_IN "cargo:"
#define CRATES_IO_NAME "crates-io"

/* One value as it was found: its words, and where. */
struct value {
	char **words;
	const struct cargo_file *file; /* NULL: the variable */
	const char *variable;
};

static void value_done(struct value *value) {
	value->words = toml_strings_free(value->words);
}

/* As cargo's ConfigKey: "registries.my-reg.token" is CARGO_REGISTRIES_MY_REG_TOKEN. */
const char *cargo_variable(const char *key, char **ret_name) {
	char *name;

	if (asprintf(&name, "CARGO_%s", key) < 0) {
		*ret_name = NULL;
		return NULL;
	}
	for (char *c = name + strlen("CARGO_"); *c; c++)
		*c = *c == '-' || *c == '.' ? '_' : (char) toupper((unsigned char) *c);
	*ret_name = name;
	return getenv(name);
}

static int split_words(const char *text, char ***ret) {
	/* Each word needs a byte and a space. */
	_cleanup_(toml_strings_freep) char **words = calloc(strlen(text) / 2 + 2, sizeof(*words));
	size_t n = 0;

	if (!words)
		return -ENOMEM;
	for (const char *at = text + strspn(text, SPACES); *at; at += strspn(at, SPACES)) {
		size_t size = strcspn(at, SPACES);

		words[n] = strndup(at, size);
		if (!words[n++])
			return -ENOMEM;
		at += size;
	}
	*ret = TAKE_PTR(words);
	return 0;
}

/* A text, which is split, or a list of texts, which is not: 0, -ENOENT, -EBADMSG. */
static int read_words(const struct toml_document *document, const char *key, char ***ret) {
	_cleanup_(freep) char *text = NULL;
	int r = toml_get_string(document, key, &text);

	if (r == -EBADMSG)
		return toml_get_strings(document, key, ret);
	return r < 0 ? r : split_words(text, ret);
}

static int fail_key(const char *key, const char *where, const char *what, char **ret_error) {
	return complaint_make(ret_error, "cargo cannot use %s in '%s': it %s", key, where, what);
}

/*
 * The one value of a key: 0, -ENOENT, -EINVAL with a sentence. *variable is the
 * name of its variable, which *ret borrows.
 */
static int find_value(const struct cargo_config *config, const char *key, char **variable,
	struct value *ret, char **ret_error) {
	const char *text = cargo_variable(key, variable);
	const char *where = *variable;
	int r = -ENOENT;

	if (!*variable)
		return -ENOMEM;
	if (text)
		r = split_words(text, &ret->words);
	ret->variable = text ? *variable : NULL;
	for (size_t i = 0; r == -ENOENT && i < config->n_files; i++) {
		ret->file = &config->files[i];
		where = ret->file->path;
		r = read_words(ret->file->document, key, &ret->words);
	}
	if (r == -EBADMSG)
		return fail_key(key, where, "is neither a text nor a list of texts", ret_error);
	if (r == 0 && !ret->words[0]) {
		value_done(ret);
		return fail_key(key, where, "names no program", ret_error);
	}
	return r;
}

/* Whether the program, as cargo would find it, is the file at `ours`. */
static bool is_same_program(const char *program, const char *ours) {
	const char *list = getenv("PATH");
	struct stat one, other;

	if (!ours || stat(ours, &other) < 0)
		return false;
	if (strchr(program, '/'))
		return stat(program, &one) == 0 && one.st_dev == other.st_dev &&
		       one.st_ino == other.st_ino;
	while (list && *list) {
		size_t size = strcspn(list, ":");
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%.*s/%s", (int) size, size > 0 ? list : ".",
			    program) < (int) sizeof(path) &&
			access(path, X_OK) == 0)
			return stat(path, &one) == 0 && one.st_dev == other.st_dev &&
			       one.st_ino == other.st_ino;
		list += size + (list[size] == ':');
	}
	return false;
}

/* With a slash in it a program starts at the file's root, from a variable at the current folder. */
static char *resolve_program(const struct value *value) {
	const char *program = value->words[0];
	char *path, folder[PATH_MAX];

	if (program[0] == '/' || !strchr(program, '/'))
		return strdup(program);
	if (value->file)
		return asprintf(&path, "%s/%s", value->file->root, program) < 0 ? NULL : path;
	if (!getcwd(folder, sizeof(folder)))
		return strdup(program);
	return asprintf(&path, "%s/%s", folder, program) < 0 ? NULL : path;
}

static char *join_command(const char *program, char *const *words) {
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	fputs(program, file);
	for (size_t i = 1; words[i]; i++)
		fprintf(file, " %s", words[i]);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

static const char *where_of(const struct value *value, enum url_source *ret_source) {
	*ret_source = value->file ? value->file->source : URL_SOURCE_ENVIRONMENT;
	return value->file ? value->file->path : value->variable;
}

static void provider_done(struct cargo_provider *provider) {
	free(provider->program);
	free(provider->command);
	free(provider->from);
	free(provider->alias);
}

static int provider_fill(const struct value *value, const struct value *alias, const char *ours,
	struct cargo_provider *ret) {
	const struct value *last = alias->words ? alias : value;

	ret->program = resolve_program(last);
	ret->command = ret->program ? join_command(ret->program, last->words) : NULL;
	ret->from = strdup(where_of(value, &ret->source));
	ret->alias = alias->words ? strdup(where_of(alias, &ret->alias_source)) : NULL;
	ret->has_arguments = value->words[1] != NULL;
	if (!ret->command || !ret->from || (alias->words && !ret->alias))
		return -ENOMEM;
	ret->is_ours = is_same_program(ret->program, ours);
	return 0;
}

/* Looks the alias up, one level, and appends what comes of it. */
static int append(const struct cargo_config *config, const struct value *value, const char *ours,
	struct cargo_providers *providers) {
	_cleanup_(freep) char *key = NULL, *variable = NULL, *ignored = NULL;
	_cleanup_(value_done) struct value alias = {0};
	struct cargo_provider provider = {0}, *items;
	int r = 0;

	if (!value->words[1] && strncmp(value->words[0], BUILT_IN, strlen(BUILT_IN)) != 0) {
		if (asprintf(&key, "credential-alias.%s", value->words[0]) < 0) {
			key = NULL;
			return -ENOMEM;
		}
		r = find_value(config, key, &variable, &alias, &ignored);
	}
	/* An alias that makes no sense is none, for cargo too. */
	if (r == -ENOMEM)
		return r;
	r = provider_fill(value, &alias, ours, &provider);
	items = reallocarray(providers->items, providers->n + 1, sizeof(*items));
	if (items)
		providers->items = items;
	if (r < 0 || !items) {
		provider_done(&provider);
		return -ENOMEM;
	}
	providers->items[providers->n++] = provider;
	return 0;
}

/* Each word of the variable is a provider of its own, the last one asked first. */
static int append_from_environment(
	const struct cargo_config *config, const char *ours, struct cargo_providers *providers) {
	_cleanup_(freep) char *variable = NULL;
	_cleanup_(toml_strings_freep) char **words = NULL;
	const char *text = cargo_variable(CARGO_PROVIDER_LIST, &variable);
	size_t n = 0;
	int r = 0;

	if (!variable)
		return -ENOMEM;
	if (text)
		r = split_words(text, &words);
	while (words && words[n])
		n++;
	while (r == 0 && n-- > 0) {
		char *alone[] = {words[n], NULL};

		r = append(config, &(struct value){.words = alone, .variable = variable}, ours,
			providers);
	}
	return r;
}

static int append_from_file(const struct cargo_config *config, const struct cargo_file *file,
	const char *ours, struct cargo_providers *providers, char **ret_error) {
	_cleanup_(toml_strings_freep) char **texts = NULL;
	size_t n = 0;
	int r;

	r = toml_get_strings(file->document, CARGO_PROVIDER_LIST, &texts);
	if (r == -ENOENT)
		return 0;
	if (r == -EBADMSG)
		return fail_key(CARGO_PROVIDER_LIST, file->path, "is no list of texts", ret_error);
	while (r == 0 && texts[n])
		n++;
	while (r == 0 && n-- > 0) {
		_cleanup_(value_done) struct value value = {.file = file};

		r = split_words(texts[n], &value.words);
		if (r == 0 && !value.words[0])
			r = fail_key(
				CARGO_PROVIDER_LIST, file->path, "names no program", ret_error);
		if (r == 0)
			r = append(config, &value, ours, providers);
	}
	return r;
}

static int append_default(struct cargo_providers *providers) {
	providers->items = calloc(1, sizeof(*providers->items));
	if (!providers->items)
		return -ENOMEM;
	providers->n = 1;
	providers->is_default = true;
	providers->items[0].program = strdup(CARGO_PROVIDER_TOKEN);
	providers->items[0].command = strdup(CARGO_PROVIDER_TOKEN);
	return providers->items[0].program && providers->items[0].command ? 0 : -ENOMEM;
}

static int find_list(const struct cargo_config *config, const char *ours,
	struct cargo_providers *providers, char **ret_error) {
	int r = append_from_environment(config, ours, providers);

	providers->is_list = true;
	for (size_t i = 0; r == 0 && i < config->n_files; i++)
		r = append_from_file(config, &config->files[i], ours, providers, ret_error);
	return r == 0 && providers->n == 0 ? append_default(providers) : r;
}

int cargo_providers_find(const struct cargo_config *config, const char *name,
	struct cargo_providers *ret, char **ret_error) {
	_cleanup_(cargo_providers_done) struct cargo_providers providers = {0};
	_cleanup_(freep) char *key = NULL, *variable = NULL, *ours = NULL;
	_cleanup_(value_done) struct value value = {0};
	bool is_crates_io = strcmp(name, CRATES_IO_NAME) == 0;
	int r;

	r = cargo_provider_find_ours(&ours);
	if (r == -ENOMEM)
		return r;
	if (asprintf(&key, "%s%s.credential-provider", is_crates_io ? "registry" : "registries.",
		    is_crates_io ? "" : name) < 0) {
		key = NULL;
		return -ENOMEM;
	}
	r = find_value(config, key, &variable, &value, ret_error);
	if (r == -ENOENT)
		r = find_list(config, ours, &providers, ret_error);
	else if (r == 0)
		r = append(config, &value, ours, &providers);
	if (r < 0)
		return r;
	*ret = providers;
	providers = (struct cargo_providers){0};
	return 0;
}

void cargo_providers_done(struct cargo_providers *providers) {
	for (size_t i = 0; i < providers->n; i++)
		provider_done(&providers->items[i]);
	free(providers->items);
	*providers = (struct cargo_providers){0};
}

bool cargo_provider_is_ours(const char *program, const char *root) {
	_cleanup_(freep) char *ours = NULL, *path = NULL;

	if (cargo_provider_find_ours(&ours) < 0)
		return false;
	if (program[0] == '/' || !strchr(program, '/'))
		return is_same_program(program, ours);
	if (asprintf(&path, "%s/%s", root, program) < 0)
		path = NULL;
	return path && is_same_program(path, ours);
}

int cargo_provider_find_ours(char **ret) {
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	char *slash, *program;

	if (n < 0 || (size_t) n >= sizeof(path))
		return -ENOENT;
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return -ENOENT;
	slash[1] = '\0';
	if (asprintf(&program, "%s" CARGO_PROVIDER_NAME, path) < 0)
		return -ENOMEM;
	if (access(program, X_OK) < 0) {
		free(program);
		return -ENOENT;
	}
	*ret = program;
	return 0;
}
