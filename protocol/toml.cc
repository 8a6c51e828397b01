/*
 * The only file that sees toml++. Every function that may throw catches all:
 * out of memory becomes -ENOMEM, and anything else that toml++ throws while it
 * parses is a broken text.
 */

#include "toml.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

/*
 * Each dot of a key is one more table inside a table, and toml++ frees those by
 * recursion: a line of 256 KiB would end the stack. Values inside values it
 * counts itself, and each can bring a line of dots along, so both are bounded:
 * together some 8000 tables, far below what 8 MiB of stack hold. The limit of
 * toml++ is set at compile time, so its shared library, which pkg-config names,
 * is of no use here.
 */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

/* On one line. */
static constexpr size_t DOTS_MAX = 500;

struct toml_document {
	toml::table root;
};

static int copy_text(std::string_view text, char **ret) noexcept {
	char *copy;

	if (text.find('\0') != std::string_view::npos)
		return -EBADMSG;
	copy = static_cast<char *>(malloc(text.size() + 1));
	if (!copy)
		return -ENOMEM;
	if (!text.empty())
		memcpy(copy, text.data(), text.size());
	copy[text.size()] = '\0';
	*ret = copy;
	return 0;
}

/* The first line that is too deep to parse, or 0. */
static size_t find_deep_line(std::string_view text) noexcept {
	size_t line = 1, n_dots = 0;

	for (char c : text) {
		if (c == '\n') {
			line++;
			n_dots = 0;
		} else if (c == '.' && ++n_dots > DOTS_MAX) {
			return line;
		}
	}
	return 0;
}

static int fail(size_t line, std::string_view why, char **ret_error) {
	int r = copy_text("line " + std::to_string(line) + ": " + std::string(why), ret_error);

	return r < 0 ? r : -EBADMSG;
}

static int parse(std::string_view text, struct toml_document **ret, char **ret_error) {
	size_t deep = find_deep_line(text);

	if (deep > 0)
		return fail(deep, "the keys are nested too deeply", ret_error);
	try {
		*ret = new toml_document{toml::parse(text)};
		return 0;
	} catch (const toml::parse_error &error) {
		return fail(error.source().begin.line, error.description(), ret_error);
	}
}

int toml_parse(const char *text, size_t size, struct toml_document **ret, char **ret_error) {
	if (size > TOML_MAX)
		return -E2BIG;
	try {
		return parse(std::string_view(text, size), ret, ret_error);
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	} catch (...) {
		return copy_text("the text cannot be parsed", ret_error) < 0 ? -ENOMEM : -EBADMSG;
	}
}

struct toml_document *toml_free(struct toml_document *document) {
	delete document;
	return nullptr;
}

/* The child of a table or an array that one word of a path names; nullptr if there is none. */
static const toml::node *find_child(const toml::node *parent, std::string_view word) noexcept {
	size_t index = 0;

	if (const toml::table *table = parent->as_table())
		return table->get(word);
	const toml::array *array = parent->as_array();
	if (!array || word.empty() || word.size() > 6)
		return nullptr;
	for (char c : word) {
		if (c < '0' || c > '9')
			return nullptr;
		index = index * 10 + static_cast<size_t>(c - '0');
	}
	return array->get(index);
}

static const toml::node *find(const struct toml_document *document, const char *path) noexcept {
	const toml::node *node = &document->root;

	while (path && *path && node) {
		size_t size = strcspn(path, ".");

		node = find_child(node, std::string_view(path, size));
		path += size + (path[size] == '.' ? 1 : 0);
	}
	return node;
}

int toml_get_string(const struct toml_document *document, const char *path, char **ret) {
	const toml::node *node = find(document, path);

	if (!node)
		return -ENOENT;
	const toml::value<std::string> *value = node->as_string();
	return value ? copy_text(value->get(), ret) : -EBADMSG;
}

int toml_get_bool(const struct toml_document *document, const char *path, bool *ret) {
	const toml::node *node = find(document, path);

	if (!node)
		return -ENOENT;
	const toml::value<bool> *value = node->as_boolean();
	if (!value)
		return -EBADMSG;
	*ret = value->get();
	return 0;
}

static char **strings_new(size_t n) noexcept {
	return static_cast<char **>(calloc(n + 1, sizeof(char *)));
}

int toml_get_strings(const struct toml_document *document, const char *path, char ***ret) {
	const toml::node *node = find(document, path);

	if (!node)
		return -ENOENT;
	const toml::array *array = node->as_array();
	if (!array)
		return -EBADMSG;
	_cleanup_(toml_strings_freep) char **strings = strings_new(array->size());
	if (!strings)
		return -ENOMEM;
	for (size_t i = 0; i < array->size(); i++) {
		const toml::value<std::string> *value = array->get(i)->as_string();
		int r = value ? copy_text(value->get(), &strings[i]) : -EBADMSG;

		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(strings);
	return 0;
}

int toml_get_keys(const struct toml_document *document, const char *path, char ***ret) {
	const toml::node *node = find(document, path);
	size_t n = 0;

	if (!node)
		return -ENOENT;
	const toml::table *table = node->as_table();
	if (!table)
		return -EBADMSG;
	_cleanup_(toml_strings_freep) char **strings = strings_new(table->size());
	if (!strings)
		return -ENOMEM;
	for (auto &&[key, value] : *table) {
		int r = copy_text(key.str(), &strings[n]);

		if (r == -ENOMEM)
			return r;
		/* A key with a NUL in it can be asked for by nobody: left out. */
		if (r == 0)
			n++;
	}
	*ret = TAKE_PTR(strings);
	return 0;
}

int toml_get_size(const struct toml_document *document, const char *path, size_t *ret) {
	const toml::node *node = find(document, path);

	if (!node)
		return -ENOENT;
	const toml::array *array = node->as_array();
	if (!array)
		return -EBADMSG;
	*ret = array->size();
	return 0;
}

unsigned toml_line(const struct toml_document *document, const char *path) {
	const toml::node *node = find(document, path);

	return node ? node->source().begin.line : 0;
}

char **toml_strings_free(char **strings) {
	for (size_t i = 0; strings && strings[i]; i++)
		free(strings[i]);
	free(strings);
	return nullptr;
}
