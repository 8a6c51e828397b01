#include "parcel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/json.h"
#include "protocol/reply.h"

#define SUFFIX ".crate"

int parcels_add(struct parcels *parcels, const char *path) {
	struct parcel *items;

	if (parcels->n >= PARCELS_MAX)
		return -E2BIG;
	items = reallocarray(parcels->items, parcels->n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	parcels->items = items;
	items[parcels->n] = (struct parcel){.path = strdup(path)};
	if (!items[parcels->n].path)
		return -ENOMEM;
	parcels->n++;
	return 0;
}

static int compare_paths(const void *a, const void *b) {
	return strcmp(((const struct parcel *) a)->path, ((const struct parcel *) b)->path);
}

static bool is_crate(const char *name) {
	size_t size = strlen(name);

	return size > strlen(SUFFIX) && strcmp(name + size - strlen(SUFFIX), SUFFIX) == 0;
}

int parcels_find(struct parcels *parcels, const char *folder) {
	DIR *entries = opendir(folder);
	struct dirent *entry;
	int r = 0;

	if (!entries)
		return -errno;
	while (r == 0 && (entry = readdir(entries))) {
		_cleanup_(freep) char *path = NULL;

		if (!is_crate(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) {
			path = NULL;
			r = -ENOMEM;
		} else {
			r = parcels_add(parcels, path);
		}
	}
	(void) closedir(entries);
	if (r == 0 && parcels->n == 0)
		return -ENOENT;
	if (r == 0)
		qsort(parcels->items, parcels->n, sizeof(*parcels->items), compare_paths);
	return r;
}

void parcels_done(struct parcels *parcels) {
	for (size_t i = 0; i < parcels->n; i++) {
		free(parcels->items[i].path);
		verb_answer_done(&parcels->items[i].sealed);
		verb_answer_done(&parcels->items[i].sent);
	}
	free(parcels->items);
	*parcels = (struct parcels){0};
}

/* O_NONBLOCK: a FIFO would keep us waiting for whoever opens its other end. */
int parcel_open(const char *path) {
	_cleanup_(fd_closep) int fd =
		open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	return S_ISREG(status.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

struct parcel *parcels_named(const struct parcels *parcels, const char *name) {
	for (size_t i = 0; i < parcels->n; i++) {
		const char *own = parcels->items[i].name;

		if (own && strcmp(own, name) == 0)
			return &parcels->items[i];
	}
	return NULL;
}

bool parcel_needs(const struct parcel *parcel, const struct parcel *other) {
	const struct json *need = json_first(json_member(parcel->sealed.reply->ok, "needs"));

	for (; need; need = json_next(need)) {
		const char *name = json_string(need);

		if (parcel != other && name && strcmp(name, other->name) == 0)
			return true;
	}
	return false;
}

/* Nothing that it needs still waits for its place. */
static bool is_ready(const struct parcels *parcels, const struct parcel *parcel) {
	for (size_t i = 0; i < parcels->n; i++) {
		if (!parcels->items[i].is_placed && parcel_needs(parcel, &parcels->items[i]))
			return false;
	}
	return true;
}

/* The next in the order: the first by name that is ready, or without one the first by name. */
static struct parcel *choose(const struct parcels *parcels, bool *is_round) {
	struct parcel *first = NULL, *ready = NULL;

	for (size_t i = 0; i < parcels->n; i++) {
		struct parcel *parcel = &parcels->items[i];

		if (parcel->is_placed)
			continue;
		if (!first || strcmp(parcel->name, first->name) < 0)
			first = parcel;
		if ((!ready || strcmp(parcel->name, ready->name) < 0) && is_ready(parcels, parcel))
			ready = parcel;
	}
	*is_round = *is_round || !ready;
	return ready ? ready : first;
}

bool parcels_order(struct parcels *parcels) {
	struct parcel ordered[PARCELS_MAX];
	bool is_round = false;

	for (size_t i = 0; i < parcels->n; i++) {
		struct parcel *next = choose(parcels, &is_round);

		next->is_placed = true;
		ordered[i] = *next;
	}
	memcpy(parcels->items, ordered, parcels->n * sizeof(*ordered));
	return !is_round;
}
