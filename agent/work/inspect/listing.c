#include "listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/work/inspect/entry_name.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/lines.h"
#include "agent/work/inspect/tar.h"

#define ENTRIES_MAX ((size_t) 100000)
#define NAMES_MAX_SIZE ((size_t) 16 * 1024 * 1024)

void listing_done(struct listing *listing) {
	for (size_t i = 0; i < listing->n; i++)
		free(listing->entries[i].name);
	free(listing->entries);
	free(listing->top);
	*listing = (struct listing){0};
}

/* A copy without the slash that may end a folder's name. */
static char *name_copy(const struct tar_entry *entry) {
	size_t size = strlen(entry->name);

	if (entry->is_folder && size > 1 && entry->name[size - 1] == '/')
		size--;
	return strndup(entry->name, size);
}

/* Takes the top folder from the first name, and what is below it out of each. */
static int listing_split(
	struct listing *listing, const char *name, const char **ret, struct fault *fault) {
	size_t size = strcspn(name, "/");

	if (!listing->top) {
		listing->top = strndup(name, size);
		if (!listing->top)
			return -ENOMEM;
	}
	if (strncmp(listing->top, name, size) != 0 || listing->top[size] != '\0')
		return fault_invalid(
			fault, "it has a name outside of '%.80s': '%.80s'", listing->top, name);
	*ret = name[size] == '/' ? name + size + 1 : "";
	return 0;
}

static int listing_grow(struct listing *listing) {
	if (listing->n < listing->n_room)
		return 0;
	size_t n_room = listing->n_room > 0 ? 2 * listing->n_room : 64;
	struct listing_entry *entries = reallocarray(listing->entries, n_room, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	listing->entries = entries;
	listing->n_room = n_room;
	return 0;
}

static int listing_append(struct listing *listing, const struct tar_entry *entry, const char *below,
	struct listing_entry **ret, struct fault *fault) {
	listing->n_name_bytes += strlen(below);
	if (listing->n == ENTRIES_MAX || listing->n_name_bytes > NAMES_MAX_SIZE)
		return fault_invalid(
			fault, "it has more than %zu entries, or too long names", ENTRIES_MAX);
	int r = listing_grow(listing);
	if (r < 0)
		return r;
	struct listing_entry *added = &listing->entries[listing->n];
	*added = (struct listing_entry){.is_folder = entry->is_folder, .size = entry->size};
	added->name = strdup(below);
	if (!added->name)
		return -ENOMEM;
	listing->n++;
	listing->n_bytes += entry->size;
	*ret = added;
	return 0;
}

int listing_add(struct listing *listing, const struct tar_entry *entry, struct listing_entry **ret,
	struct fault *fault) {
	_cleanup_(freep) char *name = name_copy(entry);
	const char *below = "";

	if (!name)
		return -ENOMEM;
	int r = entry_name_check(name, fault);
	if (r == 0)
		r = listing_split(listing, name, &below, fault);
	if (r < 0)
		return r;
	if (*below != '\0')
		return listing_append(listing, entry, below, ret, fault);
	if (!entry->is_folder)
		return fault_invalid(fault, "its top folder is a file: '%.100s'", name);
	*ret = NULL;
	return 0;
}

/* The slash comes before all other characters: a folder's own name, and then what lies in it. */
static int rank(char c) {
	return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char) c + 1;
}

int listing_compare_names(const char *a, const char *b) {
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

static int compare_entries(const void *a, const void *b) {
	return listing_compare_names(
		((const struct listing_entry *) a)->name, ((const struct listing_entry *) b)->name);
}

const struct listing_entry *listing_find(const struct listing *listing, const char *name) {
	struct listing_entry key = {0};

	if (listing->n == 0)
		return NULL;
	key.name = (char *) name; /* Only compared. */
	return bsearch(&key, listing->entries, listing->n, sizeof(key), compare_entries);
}

bool listing_has_file(const struct listing *listing, const char *name) {
	const struct listing_entry *entry = listing_find(listing, name);

	return entry && !entry->is_folder;
}

/* Of two neighbours: what lies in a folder comes right behind a file of the same name. */
static int listing_check_pair(const struct listing_entry *before, const struct listing_entry *after,
	struct fault *fault) {
	size_t size = strlen(before->name);

	if (strncmp(before->name, after->name, size) != 0)
		return 0;
	if (after->name[size] == '\0')
		return fault_invalid(fault, "it has a name more than once: '%.100s'", before->name);
	if (after->name[size] == '/' && !before->is_folder)
		return fault_invalid(
			fault, "it has a name that is file and folder: '%.100s'", before->name);
	return 0;
}

int listing_finish(struct listing *listing, struct fault *fault) {
	if (listing->n == 0)
		return fault_invalid(fault, "there is nothing in its archive");
	qsort(listing->entries, listing->n, sizeof(*listing->entries), compare_entries);
	for (size_t i = 1; i < listing->n; i++) {
		int r = listing_check_pair(&listing->entries[i - 1], &listing->entries[i], fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_without_case(const void *a, const void *b) {
	return strcasecmp(*(const char *const *) a, *(const char *const *) b);
}

static int listing_warn_of_case(const struct listing *listing, struct lines *warnings) {
	_cleanup_(freep) const char **names = calloc(listing->n, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < listing->n; i++)
		names[i] = listing->entries[i].name;
	qsort(names, listing->n, sizeof(*names), compare_without_case);
	for (size_t i = 1; i < listing->n; i++) {
		if (strcasecmp(names[i - 1], names[i]) != 0)
			continue;
		int r = lines_add(warnings, "'%.80s' and '%.80s' are one file on some systems",
			names[i - 1], names[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int listing_warn_of_windows(const struct listing *listing, struct lines *warnings) {
	int r = 0;

	for (size_t i = 0; i < listing->n && r == 0; i++) {
		const char *name = listing->entries[i].name;
		if (!entry_name_is_windows_safe(name))
			r = lines_add(
				warnings, "'%.80s' is another name, or none, on Windows", name);
	}
	return r;
}

int listing_warn(const struct listing *listing, struct lines *warnings) {
	int r = listing_warn_of_case(listing, warnings);

	return r < 0 ? r : listing_warn_of_windows(listing, warnings);
}
