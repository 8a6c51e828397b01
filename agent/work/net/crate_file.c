#include "crate_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/names.h"

/*
 * The longest line that is parsed. A parsed document takes many times the memory
 * of its text, and no registry takes a version whose metadata is longer.
 */
#define CRATE_LINE_MAX ((size_t) 1024 * 1024)

/* What is looked for, and what was found so far. */
struct search {
	const char *crate;
	const char *version; /* NULL for none */
	struct crate_file found;
	bool is_exact; /* a line of exactly that version was seen, and found.checksum is its own */
};

void crate_file_done(struct crate_file *file) {
	free(file->last_version);
	free(file->highest_version);
	free(file->checksum);
	*file = CRATE_FILE_NULL;
}

static void search_done(struct search *search) {
	crate_file_done(&search->found);
}

/* cargo's make_dep_path (crates/cargo-util/src/registry.rs), on the name in lower case. */
int crate_file_url(const char *root, const char *crate, char **ret) {
	_cleanup_(freep) char *name = strdup(crate);
	char *url;
	int n;

	if (!name)
		return -ENOMEM;
	for (char *p = name; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char) (*p - 'A' + 'a');
	}
	if (strlen(name) < 3)
		n = asprintf(&url, "%s/%zu/%s", root, strlen(name), name);
	else if (strlen(name) == 3)
		n = asprintf(&url, "%s/3/%.1s/%s", root, name, name);
	else
		n = asprintf(&url, "%s/%.2s/%.2s/%s", root, name, name + 2, name);
	if (n < 0)
		return -ENOMEM;
	*ret = url;
	return 0;
}

/* A registry lists a version once, whatever its build metadata (semver 2.0.0, 10). */
static bool version_is_same(const char *a, const char *b) {
	size_t size = strcspn(a, "+");

	return size == strcspn(b, "+") && strncmp(a, b, size) == 0;
}

/*
 * Exactly the version if it is listed, else the one that differs in its build
 * metadata alone: it is what the registry has under that version. Of equal lines
 * the last counts, as in cargo.
 */
static int search_take_checksum(struct search *search, const struct json *line, const char *vers) {
	const char *checksum;
	bool is_exact;

	if (!search->version || !version_is_same(vers, search->version))
		return 0;
	is_exact = strcmp(vers, search->version) == 0;
	if (search->is_exact && !is_exact)
		return 0;
	search->is_exact = is_exact;
	free(search->found.checksum);
	search->found.checksum = NULL;
	if (json_get_string(line, "cksum", &checksum) < 0 || !sha256_hex_is_valid(checksum))
		return 0;
	search->found.checksum = strdup(checksum);
	return search->found.checksum ? 0 : -ENOMEM;
}

static int text_replace(char **text, const char *by) {
	char *copy = strdup(by);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int search_take_version(struct search *search, const char *vers) {
	const char *highest = search->found.highest_version;

	int r = text_replace(&search->found.last_version, vers);
	if (r < 0 || (highest && semver_compare(vers, highest) <= 0))
		return r;
	return text_replace(&search->found.highest_version, vers);
}

/* cargo compares names as they are written, with case, `-` and `_` (Dependency::matches). */
static int search_take_line(struct search *search, const char *text, size_t size) {
	_cleanup_(json_freep) struct json *line = NULL;
	const char *name, *vers;

	if (size > CRATE_LINE_MAX)
		return 0;
	int r = json_parse(text, size, &line);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	if (json_get_string(line, "name", &name) < 0 || strcmp(name, search->crate) != 0)
		return 0;
	if (json_get_string(line, "vers", &vers) < 0 || !semver_is_valid(vers))
		return 0;
	r = search_take_version(search, vers);
	if (r < 0)
		return r;
	return search_take_checksum(search, line, vers);
}

int crate_file_read(const char *text, size_t size, const char *crate, const char *version,
	struct crate_file *ret) {
	_cleanup_(search_done) struct search search = {.crate = crate, .version = version};
	const char *end = text + size;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t) (end - text));
		const char *line_end = newline ? newline : end;

		int r = search_take_line(&search, text, (size_t) (line_end - text));
		if (r < 0)
			return r;
		text = newline ? newline + 1 : end;
	}
	if (!search.found.last_version)
		return -EBADMSG;
	*ret = search.found;
	search.found = CRATE_FILE_NULL;
	return 0;
}
