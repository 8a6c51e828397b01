#include "cargo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/work/frame.h"
#include "protocol/names.h"
#include "protocol/secret.h"
#include "service.h"

#define SCHEMA "org.rust-lang.cargo.registry"
#define URL "url"

/* The items of one URL. */
struct entry {
	const char *url; /* borrowed of the first */
	uint64_t n;
	bool is_locked; /* one of them is */
};

/* Any program can have put it there. */
static bool url_is_odd(const char *url) {
	_cleanup_(freep) char *canonical = NULL;

	return registry_url_canonical(url, &canonical) < 0;
}

/* What can be shown of it, at most URL_MAX bytes. Caller frees; NULL without memory. */
static char *clean(const char *url) {
	char *copy = strndup(url, URL_MAX);

	for (char *c = copy; copy && *c; c++) {
		if (*c <= 0x20 || *c > 0x7e)
			*c = '?';
	}
	return copy;
}

static int put_entry(struct fields *answer, uint8_t tag, const struct entry *entry) {
	_cleanup_(fields_freep) struct fields *found = NULL;
	_cleanup_(freep) char *url = clean(entry->url);
	int r = url ? fields_new(&found) : -ENOMEM;

	if (r == 0)
		r = fields_put_string(found, FIELD_CARGO_URL, url);
	if (r == 0)
		r = fields_put_u64(found, FIELD_CARGO_N, entry->n);
	if (r == 0)
		r = fields_put_u64(found, FIELD_CARGO_IS_LOCKED, entry->is_locked);
	if (r == 0)
		r = fields_put_u64(found, FIELD_CARGO_IS_ODD, url_is_odd(entry->url));
	if (r < 0)
		return r;
	return fields_put(answer, tag, fields_bytes(found), fields_size(found));
}

static int compare_entries(const void *one, const void *other) {
	return strcmp(((const struct entry *) one)->url, ((const struct entry *) other)->url);
}

/* An entry for each item. Caller frees. */
static struct entry *make_entries(const struct service_items *items) {
	size_t n = service_items_n(items);
	struct entry *entries = calloc(n + 1, sizeof(*entries));

	for (size_t i = 0; entries && i < n; i++) {
		const char *url = service_items_attribute(items, i, URL);

		entries[i] = (struct entry){url ? url : "", 1, service_items_is_locked(items, i)};
	}
	if (entries)
		qsort(entries, n, sizeof(*entries), compare_entries);
	return entries;
}

/* Those of one URL, which lie side by side, become one. */
static size_t join_entries(struct entry *entries, size_t n) {
	size_t n_joined = 0;

	for (size_t i = 0; i < n; i++) {
		struct entry *last = n_joined > 0 ? &entries[n_joined - 1] : NULL;

		if (last && strcmp(last->url, entries[i].url) == 0) {
			last->n++;
			last->is_locked = last->is_locked || entries[i].is_locked;
		} else {
			entries[n_joined++] = entries[i];
		}
	}
	return n_joined;
}

int cargo_items_list(struct service *service, struct fields *answer) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(freep) struct entry *entries = NULL;
	size_t n;
	int r = service_find(service, SCHEMA, NULL, 0, false, &items);

	if (r < 0)
		return r;
	entries = make_entries(items);
	if (!entries)
		return -ENOMEM;
	n = join_entries(entries, service_items_n(items));
	for (size_t i = 0; r == 0 && i < n && i < FOUND_MAX; i++)
		r = put_entry(answer, (uint8_t) (FIELD_FOUND + i), &entries[i]);
	return r < 0 ? r : fields_put_u64(answer, FIELD_CARGO_HAS_MORE, n > FOUND_MAX);
}

/* The one item of the task's URL, with its secret. */
static int find_one(
	struct service *service, const struct fields *task, struct service_items **ret) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(freep) char *url = NULL;
	struct service_attribute attribute = {.name = URL};
	int r = fields_get_string(task, FIELD_CARGO_URL, &url);

	if (r < 0)
		return -EIO; /* No task of ours. */
	attribute.value = url;
	r = service_find(service, SCHEMA, &attribute, 1, true, &items);
	if (r < 0)
		return r;
	if (service_items_n(items) != 1)
		return service_items_n(items) == 0 ? -ENOENT : -ENOTUNIQ;
	*ret = TAKE_PTR(items);
	return 0;
}

int cargo_items_take(struct service *service, const struct fields *task, struct fields *answer,
	char **ret_detail) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(secret_freep) struct secret *token = NULL;
	const char *what = NULL;
	int r = find_one(service, task, &items);

	if (r < 0)
		return r;
	r = service_items_secret(items, 0, TOKEN_MAX, &token);
	if (r == -ENOENT)
		what = "the keyring's item is empty";
	else if (r == -E2BIG)
		what = "the keyring's item holds more than 1024 bytes";
	else if (r == 0 && !token_is_valid(secret_peek(token), secret_size(token)))
		what = "the keyring's item holds something else than printable ASCII";
	if (what) {
		*ret_detail = strdup(what);
		return -EINVAL;
	}
	return r < 0 ? r : fields_put_secret(answer, FIELD_SECRET, token);
}

int cargo_items_wipe(struct service *service, const struct fields *task) {
	_cleanup_(service_items_freep) struct service_items *items = NULL;
	_cleanup_(secret_freep) struct secret *known = NULL;
	_cleanup_(secret_freep) struct secret *token = NULL;
	int r = find_one(service, task, &items);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (fields_get_secret(task, FIELD_TOKEN, &known) < 0)
		return -EIO;
	r = service_items_secret(items, 0, TOKEN_MAX, &token);
	if (r == -ENOENT || r == -E2BIG || (r == 0 && !secret_equal(token, known)))
		return -ESTALE;
	return r < 0 ? r : service_items_delete(items, 0);
}
