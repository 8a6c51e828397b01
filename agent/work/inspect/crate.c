#include "crate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/inspect/entry_name.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/tar.h"

/* Largest manifest. A large one of today has 200 KiB. */
#define MANIFEST_MAX ((size_t) 1024 * 1024)

void crate_done(struct crate *crate) {
	listing_done(&crate->listing);
	free(crate->manifest);
	crate->manifest = NULL;
}

/* The whole content of the current entry, with a NUL behind it. */
static int read_content(struct tar *tar, const struct tar_entry *entry, const char *name,
	size_t size_max, char **ret, size_t *ret_size, struct fault *fault) {
	if (entry->size > size_max)
		return fault_invalid(
			fault, "its '%.100s' is longer than %zu KiB", name, size_max / 1024);
	_cleanup_(freep) char *content = calloc(1, (size_t) entry->size + 1);
	if (!content)
		return -ENOMEM;

	const void *bytes;
	size_t n, at = 0;
	int r;
	while ((r = tar_read(tar, &bytes, &n)) > 0) {
		if (n > (size_t) entry->size - at)
			return fault_invalid(fault, "its archive is damaged");
		memcpy(content + at, bytes, n);
		at += n;
	}
	if (r < 0)
		return r;
	*ret_size = at;
	*ret = TAKE_PTR(content);
	return 0;
}

static int read_sum(struct tar *tar, struct sha256 *sum, struct listing_entry *entry) {
	const void *bytes;
	size_t n;
	int r;

	while ((r = tar_read(tar, &bytes, &n)) > 0)
		sha256_add(sum, bytes, n);
	if (r == 0)
		sha256_take(sum, entry->sum);
	return r;
}

static int crate_take_manifest(
	struct crate *crate, struct tar *tar, const struct tar_entry *entry, struct fault *fault) {
	free(crate->manifest); /* A second one is found as a name that is there twice. */
	crate->manifest = NULL;
	return read_content(tar, entry, MANIFEST_NAME, MANIFEST_MAX, &crate->manifest,
		&crate->manifest_size, fault);
}

static int crate_take_entry(struct crate *crate, struct tar *tar, const struct tar_entry *entry,
	struct sha256 *sum, struct fault *fault) {
	struct listing_entry *listed;

	int r = listing_add(&crate->listing, entry, &listed, fault);
	if (r < 0 || !listed || listed->is_folder)
		return r;
	if (sum)
		return read_sum(tar, sum, listed);
	if (strcmp(listed->name, MANIFEST_NAME) == 0)
		return crate_take_manifest(crate, tar, entry, fault);
	return 0;
}

/* Whether an entry is of that name, or lies in a folder of that name. */
static bool entry_begins_with(const char *entry, const char *name) {
	size_t size = strcspn(entry, "/");

	return size == strlen(name) && strncmp(entry, name, size) == 0;
}

/* Another spelling of its name is the same file on some systems, and another manifest there. */
static int crate_check_manifest(const struct crate *crate, struct fault *fault) {
	for (size_t i = 0; i < crate->listing.n; i++) {
		const char *name = crate->listing.entries[i].name;

		if (entry_name_is_like(name, MANIFEST_NAME) &&
			!entry_begins_with(name, MANIFEST_NAME))
			return fault_invalid(fault,
				"its '" MANIFEST_NAME "' has another spelling: '%.40s'", name);
	}
	if (!listing_has_file(&crate->listing, MANIFEST_NAME))
		return fault_invalid(fault, "it has no '" MANIFEST_NAME "'");
	return 0;
}

int crate_read(
	const struct sealed_file *file, bool with_sums, struct crate *crate, struct fault *fault) {
	_cleanup_(tar_freep) struct tar *tar = NULL;
	_cleanup_(sha256_freep) struct sha256 *sum = NULL;
	struct tar_entry entry;

	crate->file = *file;
	int r = with_sums ? sha256_new(&sum) : 0;
	if (r == 0)
		r = tar_new(file, fault, &tar);
	while (r >= 0 && (r = tar_next(tar, &entry)) > 0)
		r = crate_take_entry(crate, tar, &entry, sum, fault);
	if (r == 0)
		r = listing_finish(&crate->listing, fault);
	if (r == 0)
		r = crate_check_manifest(crate, fault);
	return r;
}

/* Whether an entry is that file: the reader has checked the names before. */
static bool entry_is(const struct tar_entry *entry, const char *name) {
	const char *slash = strchr(entry->name, '/');

	return slash && strcmp(slash + 1, name) == 0;
}

int crate_read_file(const struct crate *crate, const char *name, size_t size_max, char **ret,
	size_t *ret_size, struct fault *fault) {
	_cleanup_(tar_freep) struct tar *tar = NULL;
	struct tar_entry entry;

	int r = tar_new(&crate->file, fault, &tar);
	while (r >= 0 && (r = tar_next(tar, &entry)) > 0) {
		if (entry_is(&entry, name))
			return read_content(tar, &entry, name, size_max, ret, ret_size, fault);
	}
	return r < 0 ? r : fault_invalid(fault, "it has no '%.100s'", name);
}
