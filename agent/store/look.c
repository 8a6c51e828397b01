#include "look.h"

#include <errno.h>
#include <stdlib.h>

struct look {
	struct look *next;
	store_done_t done;
	void *userdata;
};

int look_add(struct look **looks, store_done_t done, void *userdata) {
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return -ENOMEM;
	look->done = done;
	look->userdata = userdata;
	look->next = *looks;
	*looks = look;
	return 0;
}

static struct look take_first(struct look **looks) {
	struct look *first = *looks, copy = *first;

	*looks = first->next;
	free(first);
	return copy;
}

void look_forget(struct look **looks, const void *userdata) {
	while (*looks) {
		if ((*looks)->userdata == userdata)
			(void) take_first(looks);
		else
			looks = &(*looks)->next;
	}
}

void look_tell_all(struct look **looks) {
	while (*looks) {
		struct look look = take_first(looks);

		look.done(0, look.userdata);
	}
}

void look_drop_all(struct look **looks) {
	while (*looks)
		(void) take_first(looks);
}
