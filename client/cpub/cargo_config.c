#include "cargo_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complaint.h"
#include "protocol/toml.h"
#include "veil.h"

/* Files together, and includes inside includes: cargo has no limit but for cycles. */
#define FILES_MAX 256
#define INCLUDE_DEPTH_MAX 16

/* Cuts the last word of an absolute path: "/a/b" becomes "/a", "/a" becomes "/". */
static void cut_last(char *path) {
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path ? 1 : 0] = '\0';
}

static void file_done(struct cargo_file *file) {
	free(file->path);
	free(file->root);
	toml_free(file->document);
}

/* Reads one file: 0, -ENOENT if there is none, -EINVAL and a sentence. */
static int file_load(
	const char *path, enum url_source source, struct cargo_file *ret, char **ret_error) {
	struct cargo_file file = {.source = source};
	_cleanup_(veiled_done) struct veiled text = {0};
	_cleanup_(freep) char *why = NULL;
	int r;

	r = veil_read(path, TOML_MAX, &text);
	if (r == -ENOENT || r == -ENOTDIR)
		return -ENOENT;
	if (r == -ENOMEM)
		return r;
	if (r == -E2BIG)
		return complaint_make(
			ret_error, "'%s' is longer than 256 KiB; make it shorter", path);
	if (r < 0)
		return complaint_make(ret_error, "'%s' cannot be read: %s", path, strerror(-r));
	file.stray_line = text.stray_line;
	r = toml_parse(text.text, text.size, &file.document, &why);
	if (r == -EBADMSG)
		return complaint_make(
			ret_error, "'%s' is not valid TOML: %s", path, why ? why : "unknown");
	if (r < 0)
		return r;
	file.path = strdup(path);
	file.root = strdup(path);
	if (!file.path || !file.root) {
		file_done(&file);
		return -ENOMEM;
	}
	cut_last(file.root);
	cut_last(file.root);
	*ret = file;
	return 0;
}

/* Takes the file over, also on failure. */
static int append(struct cargo_config *config, struct cargo_file *file, char **ret_error) {
	struct cargo_file *files;

	if (config->n_files >= FILES_MAX) {
		int r = complaint_make(
			ret_error, "'%s' is one configuration file too many", file->path);

		file_done(file);
		return r;
	}
	files = reallocarray(config->files, config->n_files + 1, sizeof(*files));
	if (!files) {
		file_done(file);
		return -ENOMEM;
	}
	config->files = files;
	config->files[config->n_files++] = *file;
	return 0;
}

/* One entry of `include`: a path, or a table with `path` and perhaps `optional`. */
static int include_entry(const struct toml_document *document, size_t index, char **ret_path,
	bool *ret_is_optional) {
	char path[64];
	int r;

	*ret_is_optional = false;
	snprintf(path, sizeof(path), "include.%zu", index);
	r = toml_get_string(document, path, ret_path);
	if (r != -EBADMSG)
		return r;
	snprintf(path, sizeof(path), "include.%zu.optional", index);
	r = toml_get_bool(document, path, ret_is_optional);
	if (r < 0 && r != -ENOENT)
		return r;
	snprintf(path, sizeof(path), "include.%zu.path", index);
	return toml_get_string(document, path, ret_path);
}

static int load_with_includes(struct cargo_config *config, const char *path, enum url_source source,
	unsigned depth, char **ret_error);

static int load_include(struct cargo_config *config, size_t parent, size_t index, unsigned depth,
	char **ret_error) {
	/* The array of files may move while more are added: copies only. */
	const struct toml_document *document = config->files[parent].document;
	const char *parent_path = config->files[parent].path;
	_cleanup_(freep) char *relative = NULL, *path = NULL;
	bool is_optional;
	int r;

	r = include_entry(document, index, &relative, &is_optional);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return complaint_make(ret_error,
			"'%s' has an include that is neither a path nor a table with one",
			parent_path);
	if (depth >= INCLUDE_DEPTH_MAX)
		return complaint_make(
			ret_error, "'%s' is included too deeply, perhaps by itself", parent_path);
	r = relative[0] == '/'
		    ? asprintf(&path, "%s", relative)
		    : asprintf(&path, "%.*s/%s", (int) (strrchr(parent_path, '/') - parent_path),
			      parent_path, relative);
	if (r < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = load_with_includes(config, path, config->files[parent].source, depth + 1, ret_error);
	if (r == -ENOENT && is_optional)
		return 0;
	if (r == -ENOENT)
		return complaint_make(ret_error, "'%s' includes '%s', which does not exist",
			config->files[parent].path, path);
	return r;
}

/* Later includes win over earlier ones, and the file itself over all of them. */
static int load_with_includes(struct cargo_config *config, const char *path, enum url_source source,
	unsigned depth, char **ret_error) {
	struct cargo_file file;
	size_t index, n_includes = 0;
	int r;

	r = file_load(path, source, &file, ret_error);
	if (r < 0)
		return r;
	r = append(config, &file, ret_error);
	if (r < 0)
		return r;
	index = config->n_files - 1;
	r = toml_get_size(config->files[index].document, "include", &n_includes);
	if (r == -EBADMSG)
		return complaint_make(ret_error, "'%s' has an include that is no list", path);
	while (n_includes > 0) {
		r = load_include(config, index, --n_includes, depth, ret_error);
		if (r < 0)
			return r;
	}
	return 0;
}

/* `config` wins over `config.toml` where both exist, as for cargo. */
static int load_folder(
	struct cargo_config *config, const char *folder, enum url_source source, char **ret_error) {
	static const char *const names[] = {"config", "config.toml"};
	int r = 0;

	for (size_t i = 0; i < 2; i++) {
		_cleanup_(freep) char *path = NULL;

		if (asprintf(&path, "%s/%s", folder, names[i]) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = load_with_includes(config, path, source, 0, ret_error);
		if (r != -ENOENT)
			return r;
	}
	return 0;
}

static bool is_same_folder(const char *one, const char *other) {
	struct stat a, b;

	return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* From `folder` up to the root. *ret_saw_home: $CARGO_HOME was one of them. */
static int load_tree(
	struct cargo_config *config, char *folder, bool *ret_saw_home, char **ret_error) {
	*ret_saw_home = false;
	for (;;) {
		_cleanup_(freep) char *dot_cargo = NULL;
		bool is_home, is_root = strcmp(folder, "/") == 0;
		int r;

		if (asprintf(&dot_cargo, "%s/.cargo", is_root ? "" : folder) < 0) {
			dot_cargo = NULL;
			return -ENOMEM;
		}
		is_home = config->home && is_same_folder(dot_cargo, config->home);
		*ret_saw_home = *ret_saw_home || is_home;
		r = load_folder(config, dot_cargo, is_home ? URL_SOURCE_USER : URL_SOURCE_PROJECT,
			ret_error);
		if (r < 0 || is_root)
			return r;
		cut_last(folder);
	}
}

/* What follows counts folders by their slashes, so "/a/b/" and "/a/b/." have to be "/a/b". */
static void cut_empty_words(char *path) {
	size_t size = strlen(path);

	for (;;) {
		if (size > 1 && path[size - 1] == '/')
			size--;
		else if (size > 2 && path[size - 1] == '.' && path[size - 2] == '/')
			size--;
		else
			break;
	}
	path[size] = '\0';
}

/* A relative CARGO_HOME starts at the current folder, an empty one counts as unset. */
static int find_home(const char *folder, char **ret) {
	const char *home = getenv("CARGO_HOME");
	char *path = NULL;
	int r;

	if (home && *home) {
		r = asprintf(&path, "%s%s%s", home[0] == '/' ? "" : folder,
			home[0] == '/' ? "" : "/", home);
	} else {
		home = getenv("HOME");
		if (!home || home[0] != '/')
			return 0;
		r = asprintf(&path, "%s/.cargo", home);
	}
	if (r < 0)
		return -ENOMEM;
	cut_empty_words(path);
	*ret = path;
	return 0;
}

int cargo_config_load(struct cargo_config **ret, char **ret_error) {
	_cleanup_(cargo_config_freep) struct cargo_config *config = NULL;
	_cleanup_(freep) char *folder = NULL;
	bool saw_home;
	int r;

	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	folder = getcwd(NULL, 0);
	/* "(unreachable)/…" comes for a folder outside our root (getcwd(3)). */
	if (!folder || folder[0] != '/')
		return complaint_make(
			ret_error, "the current folder cannot be found; go to another one");
	r = find_home(folder, &config->home);
	if (r < 0)
		return r;
	r = load_tree(config, folder, &saw_home, ret_error);
	if (r < 0)
		return r;
	if (config->home && !saw_home) {
		r = load_folder(config, config->home, URL_SOURCE_USER, ret_error);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(config);
	return 0;
}

/* Moves the files from `first` on before all others. */
static void bring_to_front(struct cargo_config *config, size_t first) {
	for (size_t i = first; i < config->n_files; i++) {
		struct cargo_file file = config->files[i];
		size_t place = i - first;

		memmove(&config->files[place + 1], &config->files[place],
			first * sizeof(config->files[0]));
		config->files[place] = file;
		config->files[place].is_credentials = true;
	}
}

int cargo_config_load_credentials(struct cargo_config *config, char **ret_error) {
	static const char *const names[] = {"credentials", "credentials.toml"};
	size_t n_before = config->n_files;
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && config->home && i < 2; i++) {
		_cleanup_(freep) char *path = NULL;

		if (asprintf(&path, "%s/%s", config->home, names[i]) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		r = load_with_includes(config, path, URL_SOURCE_USER, 0, ret_error);
	}
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	bring_to_front(config, n_before);
	return 0;
}

struct cargo_config *cargo_config_free(struct cargo_config *config) {
	if (!config)
		return NULL;
	for (size_t i = 0; i < config->n_files; i++)
		file_done(&config->files[i]);
	free(config->files);
	free(config->home);
	free(config);
	return NULL;
}
