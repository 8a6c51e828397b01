/*
 * git, and the library in cargo, each read such a file in their own way (several
 * sections in one line, say). So nothing is understood here that is not written
 * as `git config` writes it: what could be the head of a section of this kind,
 * wherever it stands, and is not written so, is refused.
 */

#include "git_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "complaint.h"
#include "protocol/cleanup.h"
#include "small_file.h"

#define FILE_MAX ((size_t) 1024 * 1024)
/* Of files that include each other, and of all that one file includes in the end. */
#define INCLUDE_DEPTH_MAX 5
#define INCLUDES_MAX 256
#define BLANKS " \t\r"
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* The lines `NAME KEY VALUE` of filters, one behind the other. */
struct git_filters {
	char **items;
	size_t n;
	bool has_failed;
};

/* One file of a repository, with all that it includes. */
struct check {
	const struct git_filters *own;
	unsigned n_includes;
	char **ret_error;
};

/* Written by `git lfs install --local`, and so by what checks out for others; no program of it. */
static const char *const lfs_lines[] = {
	"lfs clean git-lfs clean -- %f",
	"lfs smudge git-lfs smudge -- %f",
	"lfs smudge git-lfs smudge --skip -- %f",
	"lfs process git-lfs filter-process",
	"lfs process git-lfs filter-process --skip",
};

struct git_filters *git_filters_free(struct git_filters *own) {
	for (size_t i = 0; own && i < own->n; i++)
		free(own->items[i]);
	if (own)
		free(own->items);
	free(own);
	return NULL;
}
DEFINE_CLEANUP(struct git_filters, git_filters_free)

static void filters_take(struct git_filters *filters, char *line) {
	char **items = line ? reallocarray(filters->items, filters->n + 1, sizeof(*items)) : NULL;

	if (!items) {
		free(line);
		filters->has_failed = true;
		return;
	}
	items[filters->n++] = line;
	filters->items = items;
}

static bool filters_have(const struct git_filters *filters, const char *line) {
	for (size_t i = 0; i < sizeof(lfs_lines) / sizeof(lfs_lines[0]); i++) {
		if (strcmp(lfs_lines[i], line) == 0)
			return true;
	}
	for (size_t i = 0; i < filters->n; i++) {
		if (strcmp(filters->items[i], line) == 0)
			return true;
	}
	return false;
}

/* `"NAME"]` and the end of the line: 0 and *ret_end behind that, -EINVAL, -ENOMEM. */
static int read_name(const char *text, char **ret_name, const char **ret_end) {
	size_t size = *text == '"' ? strspn(text + 1, NAME_LETTERS) : 0;
	const char *end = text + 1 + size;

	if (size == 0 || strncmp(end, "\"]", 2) != 0)
		return -EINVAL;
	end += 2 + strspn(end + 2, BLANKS);
	if (*end && *end != '\n')
		return -EINVAL;
	*ret_name = strndup(text + 1, size);
	*ret_end = end;
	return *ret_name ? 0 : -ENOMEM;
}

/* `key = value`: 1 and "NAME KEY VALUE", 0 for what runs nothing, -EINVAL, -ENOMEM. */
static int read_setting(const char *line, size_t size, const char *name, char **ret) {
	size_t key_size = strspn(line, NAME_LETTERS),
	       start = key_size + strspn(line + key_size, BLANKS);

	while (size > start && strchr(BLANKS, line[size - 1]))
		size--;
	/* Lines that go on in the next one hide what stands there. */
	if (key_size == 0 || start >= size || line[start] != '=' || line[size - 1] == '\\')
		return -EINVAL;
	if (key_size == 8 && strncasecmp(line, "required", 8) == 0)
		return 0;
	start++;
	start += strspn(line + start, BLANKS);
	if (asprintf(ret, "%s %.*s %.*s", name, (int) key_size, line,
		    start < size ? (int) (size - start) : 0, line + start) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	for (char *c = *ret + strlen(name); c <= *ret + strlen(name) + key_size; c++)
		*c = (char) tolower((unsigned char) *c);
	return 1;
}

/*
 * The lines of a section from behind its head on. 0 and all that it sets are appended to
 * *filters; -EINVAL for what is not written as usual; -ENOMEM.
 */
static int read_section(const char *text, const char *name, struct git_filters *filters) {
	while (*text == '\n') {
		const char *line = text + 1 + strspn(text + 1, BLANKS);
		size_t size = strcspn(line, "\n");
		char *setting = NULL;
		int r;

		text = line + size;
		if (*line == '[')
			return 0;
		if (size == 0 || *line == '#' || *line == ';')
			continue;
		r = read_setting(line, size, name, &setting);
		if (r < 0)
			return r;
		if (r > 0)
			filters_take(filters, setting);
	}
	return filters->has_failed ? -ENOMEM : 0;
}

static bool starts_line(const char *text, const char *at) {
	while (at > text && strchr(BLANKS, at[-1]))
		at--;
	return at == text || at[-1] == '\n';
}

static const char *skip_word(const char *text, const char *word) {
	size_t size = strlen(word);

	return strncasecmp(text, word, size) == 0 ? text + size : NULL;
}

/* Behind the `[`: 1 if a filter starts here, with its settings; 0 if none does. */
static int read_filter(
	const char *text, const char *at, struct git_filters *filters, char **ret_name) {
	const char *rest = skip_word(at + 1 + strspn(at + 1, " \t\r\n"), "filter"), *end;
	int r;

	if (!rest)
		return 0;
	if (!starts_line(text, at) || at[1] != 'f' || rest[0] != ' ')
		return -EINVAL;
	r = read_name(rest + 1, ret_name, &end);
	if (r == 0)
		r = read_section(end, *ret_name, filters);
	return r < 0 ? r : 1;
}

/* Those of git-lfs run programs for the filter that a person has. */
static bool is_lfs_program(const char *at) {
	const char *rest = skip_word(at + 1 + strspn(at + 1, " \t\r\n"), "lfs");

	if (!rest)
		return false;
	rest += strspn(rest, " \t\r\n.\"");
	return strncasecmp(rest, "ext", 3) == 0 || strncasecmp(rest, "custom", 6) == 0 ||
	       memchr(rest, '\\', strcspn(rest, "]")) != NULL;
}

/* Behind the `[`: 1 if it includes, with its settings; 0 if not; -EINVAL, -ENOMEM. */
static int read_include(const char *text, const char *at, struct git_filters *settings) {
	const char *rest = skip_word(at + 1 + strspn(at + 1, " \t\r\n"), "include"), *end;
	int r;

	if (!rest)
		return 0;
	if (!starts_line(text, at) || strchr(" \t\r\n", at[1]))
		return -EINVAL;
	/* Whatever the condition: which holds is for git to say. */
	end = skip_word(rest, "if \"");
	if (end)
		end += strcspn(end, "\"\\\n");
	if (end ? strncmp(end, "\"]", 2) != 0 : *rest != ']')
		return -EINVAL;
	end = end ? end + 2 : rest + 1;
	end += strspn(end, BLANKS);
	if (*end && *end != '\n')
		return -EINVAL;
	r = read_section(end, "include", settings);
	return r < 0 ? r : 1;
}

/* Where git and the library agree: 0 and *ret (caller frees), -EINVAL, -ENOMEM. */
static int include_path(const char *path, const char *value, char **ret) {
	const char *home = getenv("HOME"), *slash = strrchr(path, '/');
	int r;

	/* What is quoted, a comment, or trimmed by one and not by the other. */
	for (const char *c = value; *c; c++) {
		if (strchr("\"\\#;", *c) || iscntrl((unsigned char) *c))
			return -EINVAL;
	}
	if (strncmp(value, "~/", 2) == 0 && home && home[0] == '/')
		r = asprintf(ret, "%s%s", home, value + 1);
	else if (value[0] == '~' || value[0] == '%')
		return -EINVAL;
	else if (value[0] == '/')
		r = asprintf(ret, "%s", value);
	else
		r = asprintf(ret, "%.*s%s", slash ? (int) (slash + 1 - path) : 0, path, value);
	return r < 0 ? -ENOMEM : 0;
}

static int refuse(const struct check *check, const char *path, const char *what) {
	int r = complaint_make(check->ret_error,
		"'%s' %s a program that cargo would run before you have approved anything, to see "
		"what is committed; take it out, or set the same in your own ~/.gitconfig if you "
		"trust it",
		path, what);

	return r == -EINVAL ? -EPERM : r;
}

static int check_filter(const struct check *check, const char *path,
	const struct git_filters *found, const char *name) {
	for (size_t i = 0; i < found->n; i++) {
		_cleanup_(freep) char *what = NULL;

		if (filters_have(check->own, found->items[i]))
			continue;
		if (asprintf(&what, "sets the filter '%s',", name) < 0) {
			what = NULL;
			return -ENOMEM;
		}
		return refuse(check, path, what);
	}
	return 0;
}

static int check_file(struct check *check, const char *path, unsigned depth);

static int check_includes(
	struct check *check, const char *path, unsigned depth, const struct git_filters *settings) {
	int r = 0;

	for (size_t i = 0; r == 0 && i < settings->n; i++) {
		const char *value = skip_word(settings->items[i], "include path ");
		_cleanup_(freep) char *included = NULL;

		if (!value)
			continue; /* Of no meaning there. */
		if (depth >= INCLUDE_DEPTH_MAX || ++check->n_includes > INCLUDES_MAX)
			return refuse(check, path,
				"includes more files than are looked at here, one of which could "
				"name");
		r = include_path(path, value, &included);
		if (r == -EINVAL)
			return refuse(
				check, path, "includes a file in an unusual way, which could name");
		if (r == 0)
			r = check_file(check, included, depth + 1);
	}
	return r;
}

static int check_section(
	struct check *check, const char *path, unsigned depth, const char *text, const char *at) {
	_cleanup_(git_filters_freep) struct git_filters *found = calloc(1, sizeof(*found));
	_cleanup_(freep) char *name = NULL;
	int r;

	if (!found)
		return -ENOMEM;
	r = read_include(text, at, found);
	if (r == -EINVAL)
		return refuse(check, path, "includes a file in an unusual way, which could name");
	if (r != 0)
		return r > 0 ? check_includes(check, path, depth, found) : r;
	if (is_lfs_program(at))
		return refuse(check, path, "names, for git-lfs,");
	r = read_filter(text, at, found, &name);
	if (r == -EINVAL)
		return refuse(check, path, "sets a filter in an unusual way, and so");
	return r > 0 ? check_filter(check, path, found, name) : r;
}

static int check_file(struct check *check, const char *path, unsigned depth) {
	_cleanup_(freep) char *text = NULL;
	size_t size;
	int r = small_file_read(path, FILE_MAX, &text, &size);

	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR || r == -EACCES)
		return 0; /* cargo cannot read it either. */
	if (r == -ENOMEM)
		return r;
	if (r < 0 || memchr(text, '\0', size))
		return refuse(check, path, "cannot be read here, and could name");
	r = 0;
	for (const char *at = strchr(text, '['); r == 0 && at; at = strchr(at + 1, '['))
		r = check_section(check, path, depth, text, at);
	return r;
}

int git_config_check(const char *path, const struct git_filters *own, char **ret_error) {
	struct check check = {.own = own, .ret_error = ret_error};

	return check_file(&check, path, 0);
}

/* What is not written as usual there is not known here, and so no excuse for anything. */
static void load(struct git_filters *own, const char *folder, const char *name) {
	_cleanup_(freep) char *text = NULL, *path = NULL;
	size_t size;

	if (asprintf(&path, "%s%s", folder, name) < 0) {
		path = NULL;
		own->has_failed = true;
		return;
	}
	if (small_file_read(path, FILE_MAX, &text, &size) < 0)
		return;
	for (const char *at = strchr(text, '['); at; at = strchr(at + 1, '[')) {
		_cleanup_(freep) char *filter = NULL;

		(void) read_filter(text, at, own, &filter);
	}
}

struct git_filters *git_filters_load_own(void) {
	_cleanup_(git_filters_freep) struct git_filters *own = calloc(1, sizeof(*own));
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	const char *global = getenv("GIT_CONFIG_GLOBAL");

	if (!own)
		return NULL;
	load(own, "/etc", "/gitconfig");
	if (global) {
		load(own, global, "");
	} else {
		if (home && home[0] == '/')
			load(own, home, "/.gitconfig");
		if (config && config[0] == '/')
			load(own, config, "/git/config");
		else if (home && home[0] == '/')
			load(own, home, "/.config/git/config");
	}
	return own->has_failed ? NULL : TAKE_PTR(own);
}
