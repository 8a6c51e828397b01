#include "look.h"

#include <errno.h>
#include <stdlib.h>

struct look {
	struct look *next;
	store_done_t done;
	void *userdata;
};

int looks_add(struct looks *looks, store_done_t done, void *userdata) {
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return -ENOMEM;
	look->done = done;
	look->userdata = userdata;
	look->next = looks->waiting;
	looks->waiting = look;
	return 0;
}

static struct look take_first(struct look **list) {
	struct look *first = *list, copy = *first;

	*list = first->next;
	free(first);
	return copy;
}

static void forget(struct look **list, const void *userdata) {
	while (*list) {
		if ((*list)->userdata == userdata)
			(void) take_first(list);
		else
			list = &(*list)->next;
	}
}

void looks_forget(struct looks *looks, const void *userdata) {
	forget(&looks->waiting, userdata);
	forget(&looks->telling, userdata);
}

void looks_tell(struct looks *looks) {
	struct look **end = &looks->telling;

	/* Not empty if a callback led here. */
	while (*end)
		end = &(*end)->next;
	*end = TAKE_PTR(looks->waiting);
	while (looks->telling) {
		struct look look = take_first(&looks->telling);

		look.done(0, look.userdata);
	}
}

void looks_drop(struct looks *looks) {
	while (looks->waiting)
		(void) take_first(&looks->waiting);
	while (looks->telling)
		(void) take_first(&looks->telling);
}
