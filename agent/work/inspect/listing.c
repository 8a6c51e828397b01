#include "listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/lines.h"
#include "agent/work/inspect/tar.h"
#include "protocol/json_text.h"

#define ENTRIES_MAX ((size_t) 100000)
#define NAME_MAX_SIZE ((size_t) 4096)
#define NAMES_MAX_SIZE ((size_t) 16 * 1024 * 1024)

void listing_done(struct listing *listing) {
	for (size_t i = 0; i < listing->n; i++)
		free(listing->entries[i].name);
	free(listing->entries);
	free(listing->top);
	*listing = (struct listing){0};
}

static bool name_is_utf8(const char *name) {
	const uint8_t *at = (const uint8_t *) name;
	const uint8_t *end = at + strlen(name);
	uint32_t code;

	while (at < end) {
		if (!json_text_utf8(&at, end, &code))
			return false;
	}
	return true;
}

/* Control bytes, and the other kind of slash, which is one on Windows. */
static bool name_is_plain(const char *name) {
	for (; *name; name++) {
		if ((unsigned char) *name < ' ' || *name == 0x7f || *name == '\\')
			return false;
	}
	return true;
}

/* Each part between slashes is a name: not empty, no `.` and no `..`. */
static bool parts_are_names(const char *name) {
	for (;;) {
		size_t size = strcspn(name, "/");

		if (size == 0 || (size == 1 && name[0] == '.') ||
			(size == 2 && name[0] == '.' && name[1] == '.'))
			return false;
		if (name[size] == '\0')
			return true;
		name += size + 1;
	}
}

static int name_check(const char *name, struct fault *fault) {
	if (strnlen(name, NAME_MAX_SIZE + 1) > NAME_MAX_SIZE)
		return fault_invalid(fault, "it has a name that is too long: '%.60s...'", name);
	if (!name_is_utf8(name))
		return fault_invalid(fault, "it has a name that is no UTF-8: '%.100s'", name);
	if (*name == '/')
		return fault_invalid(fault, "it has an absolute name: '%.100s'", name);
	if (!name_is_plain(name))
		return fault_invalid(fault, "it has a name with an odd character: '%.100s'", name);
	if (!parts_are_names(name))
		return fault_invalid(fault, "it has a name that leads astray: '%.100s'", name);
	return 0;
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
	int r = name_check(name, fault);
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

static int compare_entries(const void *a, const void *b) {
	return strcmp(
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

/* No folder of this name is a file, too. */
static int listing_check_parents(
	const struct listing *listing, const char *name, struct fault *fault) {
	_cleanup_(freep) char *parent = strdup(name);

	if (!parent)
		return -ENOMEM;
	for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
		*slash = '\0';
		if (listing_has_file(listing, parent))
			return fault_invalid(
				fault, "it has a name that is file and folder: '%.100s'", parent);
	}
	return 0;
}

int listing_finish(struct listing *listing, struct fault *fault) {
	if (listing->n == 0)
		return fault_invalid(fault, "there is nothing in its archive");
	qsort(listing->entries, listing->n, sizeof(*listing->entries), compare_entries);
	for (size_t i = 0; i < listing->n; i++) {
		const char *name = listing->entries[i].name;

		if (i > 0 && strcmp(listing->entries[i - 1].name, name) == 0)
			return fault_invalid(fault, "it has a name more than once: '%.100s'", name);
		int r = listing_check_parents(listing, name, fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_without_case(const void *a, const void *b) {
	return strcasecmp(*(const char *const *) a, *(const char *const *) b);
}

int listing_warn(const struct listing *listing, struct lines *warnings) {
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
