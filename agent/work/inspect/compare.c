#include "compare.h"

#include <errno.h>
#include <string.h>

#include "agent/work/inspect/crate.h"
#include "agent/work/inspect/fault.h"
#include "agent/work/inspect/lines.h"

static int compare_entries(const struct listing_entry *before, const struct listing_entry *after,
	struct lines *different) {
	if (before->is_folder == after->is_folder && before->size == after->size &&
		memcmp(before->sum, after->sum, sizeof(before->sum)) == 0)
		return 0;
	return lines_add(different, "%.200s (changed)", after->name);
}

/* Both are sorted: walks along them together. */
static int compare_listings(
	const struct listing *before, const struct listing *after, struct lines *different) {
	size_t b = 0, a = 0;
	int r = 0;

	while (r == 0 && (b < before->n || a < after->n)) {
		int order = b == before->n  ? 1
			    : a == after->n ? -1
					    : listing_compare_names(before->entries[b].name,
						      after->entries[a].name);

		if (order < 0)
			r = lines_add(different, "%.200s (removed)", before->entries[b++].name);
		else if (order > 0)
			r = lines_add(different, "%.200s (added)", after->entries[a++].name);
		else
			r = compare_entries(&before->entries[b++], &after->entries[a++], different);
	}
	return r;
}

int compare_crates(const struct sealed_file *before, const struct sealed_file *after,
	struct lines *different, struct fault *fault) {
	_cleanup_(crate_done) struct crate one = {0};
	_cleanup_(crate_done) struct crate other = {0};

	int r = crate_read(before, true, &one, fault);
	if (r == 0)
		r = crate_read(after, true, &other, fault);
	return r < 0 ? r : compare_listings(&one.listing, &other.listing, different);
}
