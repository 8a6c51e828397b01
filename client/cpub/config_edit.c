/*
 * Edited is a `[registry]` that stands in a line of its own, and in it a key
 * global-credential-providers with a list of plain strings. Inline tables, dotted
 * or quoted keys and lists with comments inside are a person's own handwriting
 * and stay theirs.
 */

#include "config_edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cargo_provider.h"
#include "protocol/toml.h"
#include "veil.h"

#define TABLE "registry"
#define KEY "global-credential-providers"
#define SPACES " \t\r"
#define ITEMS_MAX 64

/* Where things stand in the text; NOWHERE for what is not there. */
#define NOWHERE ((size_t) -1)

struct layout {
	const struct veiled *file;
	/* Behind the line with [registry]. */
	size_t table;
	/* The list, from its bracket to behind the other one. */
	size_t list, list_end;
};

bool config_edit_is_ours(const char *item) {
	size_t size = strcspn(item += strspn(item, " \t\n"), " \t\n");
	size_t name = strlen(CARGO_PROVIDER_NAME);

	return size >= name && memcmp(item + size - name, CARGO_PROVIDER_NAME, name) == 0 &&
	       (size == name || item[size - name - 1] == '/');
}

static bool is_plain(const struct layout *layout, size_t at) {
	return veiled_kind(layout->file, at) == VEIL_PLAIN;
}

/* Behind this line, or behind the value that goes over several. */
static size_t skip_line(const struct layout *layout, size_t at) {
	const struct veiled *file = layout->file;
	unsigned depth = 0;

	for (; at < file->size; at++) {
		char c = file->text[at];

		if (!is_plain(layout, at))
			continue;
		if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		else if (c == '\n' && depth == 0)
			return at + 1;
	}
	return file->size;
}

/* Behind the bracket that closes the one at `at`, or NOWHERE. */
static size_t skip_list(const struct layout *layout, size_t at) {
	const struct veiled *file = layout->file;

	for (at++; at < file->size; at++) {
		if (!is_plain(layout, at))
			continue;
		if (file->text[at] == ']')
			return at + 1;
		if (strchr("[{}", file->text[at]))
			return NOWHERE;
	}
	return NOWHERE;
}

static size_t skip_spaces(const struct layout *layout, size_t at) {
	return at + strspn(layout->file->text + at, SPACES);
}

/* "[registry]", with nothing behind it but a comment. */
static bool is_table(const struct layout *layout, size_t at) {
	static const char name[] = TABLE;
	const char *text = layout->file->text;

	at = skip_spaces(layout, at + 1);
	if (strncmp(text + at, name, sizeof(name) - 1) != 0)
		return false;
	at = skip_spaces(layout, at + sizeof(name) - 1);
	return text[at] == ']';
}

/* The key's value, if this line is `global-credential-providers = [`. */
static void take_key(struct layout *layout, size_t at) {
	static const char name[] = KEY;
	const char *text = layout->file->text;

	if (strncmp(text + at, name, sizeof(name) - 1) != 0)
		return;
	at = skip_spaces(layout, at + sizeof(name) - 1);
	if (text[at] != '=')
		return;
	at = skip_spaces(layout, at + 1);
	if (text[at] != '[')
		return;
	layout->list = at;
	layout->list_end = skip_list(layout, at);
}

static struct layout find_layout(const struct veiled *file) {
	struct layout layout = {
		.file = file, .table = NOWHERE, .list = NOWHERE, .list_end = NOWHERE};
	bool is_inside = false;

	for (size_t line = 0; line < file->size; line = skip_line(&layout, line)) {
		size_t at = skip_spaces(&layout, line);

		if (at >= file->size || !is_plain(&layout, at))
			continue;
		if (file->text[at] == '[') {
			is_inside = is_table(&layout, at);
			if (is_inside)
				layout.table = skip_line(&layout, line);
		} else if (is_inside) {
			take_key(&layout, at);
		}
	}
	return layout;
}

/* Quotes an item of our own making: cargo's items hold no quotes that we would keep. */
static void write_item(FILE *text, const char *item) {
	fprintf(text, "\"%s\"", item);
}

static int finish(FILE *text, char **bytes, struct config_edit edit, struct config_edit *ret) {
	if (fclose(text) != 0)
		return -ENOMEM;
	edit.text = TAKE_PTR(*bytes);
	*ret = edit;
	return 0;
}

/* The list is not there: a line behind [registry], or both at the end of the file. */
static int add_list(
	const struct layout *layout, const char *entry, bool token, struct config_edit *ret) {
	bool has_table = layout->table != NOWHERE;
	size_t place = has_table ? layout->table : layout->file->size;
	bool needs_end = place > 0 && layout->file->text[place - 1] != '\n';
	_cleanup_(freep) char *bytes = NULL;
	size_t size;
	FILE *text = open_memstream(&bytes, &size);

	if (!text)
		return -ENOMEM;
	if (needs_end)
		fputc('\n', text);
	if (!has_table)
		fprintf(text, "%s[" TABLE "]\n", place > 0 ? "\n" : "");
	fputs(KEY " = [", text);
	if (token)
		fputs("\"" CARGO_PROVIDER_TOKEN "\", ", text);
	write_item(text, entry);
	fputs("]\n", text);
	return finish(text, &bytes, (struct config_edit){.from = place, .to = place}, ret);
}

/* The strings in the list: where each starts and ends. -ENOTSUP for a comment or too many. */
static int find_items(const struct layout *layout, size_t starts[ITEMS_MAX], size_t ends[ITEMS_MAX],
	size_t *ret) {
	size_t n = 0;

	for (size_t at = layout->list; at < layout->list_end; at++) {
		enum veil_kind kind = veiled_kind(layout->file, at);

		if (kind == VEIL_COMMENT)
			return -ENOTSUP;
		if (kind == VEIL_PLAIN)
			continue;
		if (n == ITEMS_MAX)
			return -ENOTSUP;
		starts[n] = at;
		while (at < layout->list_end && !is_plain(layout, at))
			at++;
		ends[n++] = at--;
	}
	*ret = n;
	return veiled_hides(layout->file, layout->list, layout->list_end) ? -ENOTSUP : 0;
}

/* Whether what has to be done is done: only the last item is ours, and it is this one (or none). */
static bool is_done(char *const *items, size_t n, const char *entry) {
	for (size_t i = 0; i < n; i++) {
		bool is_last = entry && i + 1 == n;

		if (is_last ? strcmp(items[i], entry) != 0 : config_edit_is_ours(items[i]))
			return false;
	}
	return !entry || n > 0;
}

/*
 * The list again, without our old entries, and with the new one behind the last
 * that stays. What stands between two items goes with the first.
 */
static int write_list(const struct layout *layout, char *const *items, const size_t *starts,
	const size_t *ends, size_t n, const char *entry, bool token, struct config_edit *ret) {
	const char *bytes_in = layout->file->text;
	_cleanup_(freep) char *bytes = NULL;
	size_t size, behind = n > 0 ? ends[n - 1] : layout->list + 1;
	size_t first = n > 0 ? starts[0] : behind;
	const char *gap = ", ";
	size_t gap_size = 2;
	bool is_first = true;
	FILE *text = open_memstream(&bytes, &size);

	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (config_edit_is_ours(items[i]))
			continue;
		if (!is_first)
			fwrite(gap, 1, gap_size, text);
		fwrite(bytes_in + starts[i], 1, ends[i] - starts[i], text);
		/* Behind the last item the one before it shows how the list is written. */
		if (i + 1 < n) {
			gap = bytes_in + ends[i];
			gap_size = starts[i + 1] - ends[i];
		}
		is_first = false;
	}
	if (entry && is_first && token)
		fputs("\"" CARGO_PROVIDER_TOKEN "\"", text);
	if (entry && (!is_first || token))
		fwrite(gap, 1, gap_size, text);
	if (entry)
		write_item(text, entry);
	/* Nothing is left: a comma of its own would be none. */
	if (!entry && is_first)
		behind = layout->list_end - 1;
	return finish(text, &bytes, (struct config_edit){.from = first, .to = behind}, ret);
}

static int edit_list(const struct layout *layout, const struct toml_document *document,
	const char *entry, bool token, struct config_edit *ret) {
	_cleanup_(toml_strings_freep) char **items = NULL;
	size_t starts[ITEMS_MAX], ends[ITEMS_MAX], n, n_items = 0;
	int r;

	r = toml_get_strings(document, CARGO_PROVIDER_LIST, &items);
	if (r < 0)
		return r == -EBADMSG ? -ENOTSUP : r;
	while (items[n_items])
		n_items++;
	if (is_done(items, n_items, entry))
		return -EALREADY;
	if (layout->list == NOWHERE || layout->list_end == NOWHERE)
		return -ENOTSUP;
	r = find_items(layout, starts, ends, &n);
	if (r < 0)
		return r;
	if (n != n_items)
		return -ENOTSUP;
	/* Only a list that says nothing means cargo's own. */
	return write_list(layout, items, starts, ends, n, entry, token && n == 0, ret);
}

int config_edit_add(const struct veiled *file, const struct toml_document *document,
	const char *entry, bool token, struct config_edit *ret) {
	struct layout layout = find_layout(file);

	if (toml_line(document, CARGO_PROVIDER_LIST) > 0)
		return edit_list(&layout, document, entry, token, ret);
	/* A table that is there and not in a line of its own cannot be written once more. */
	if (layout.table == NOWHERE && toml_line(document, TABLE) > 0)
		return -ENOTSUP;
	return add_list(&layout, entry, token, ret);
}

int config_edit_remove(
	const struct veiled *file, const struct toml_document *document, struct config_edit *ret) {
	struct layout layout = find_layout(file);

	if (toml_line(document, CARGO_PROVIDER_LIST) == 0)
		return -EALREADY;
	return edit_list(&layout, document, NULL, false, ret);
}

void config_edit_done(struct config_edit *edit) {
	free(edit->text);
	*edit = (struct config_edit){0};
}
