/* The medium that is gone with the process: for `--store memory`. */

#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "medium.h"

struct memory {
	struct medium medium;
	struct image *kept;
};

static void memory_load(struct medium *medium) {
	struct memory *memory = (struct memory *) medium;
	struct image *image = NULL;
	int r;

	r = memory->kept ? image_copy(memory->kept, &image) : -ENOENT;
	medium_complete(medium, r, image);
}

static void memory_save(struct medium *medium, const struct image *image) {
	struct memory *memory = (struct memory *) medium;
	struct image *copy;
	int r;

	r = image_copy(image, &copy);
	if (r == 0) {
		image_free(memory->kept);
		memory->kept = copy;
	}
	medium_complete(medium, r, NULL);
}

static void memory_erase(struct medium *medium) {
	struct memory *memory = (struct memory *) medium;

	memory->kept = image_free(memory->kept);
	medium_complete(medium, 0, NULL);
}

static void memory_free(struct medium *medium) {
	struct memory *memory = (struct memory *) medium;

	image_free(memory->kept);
	free(memory);
}

static const struct medium_ops memory_ops = {
	.name = "memory",
	.load = memory_load,
	.save = memory_save,
	.erase = memory_erase,
	.free = memory_free,
};

int memory_medium_new(struct agent *agent, struct medium **ret) {
	_cleanup_(freep) struct memory *memory = NULL;
	int r;

	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	r = medium_init(&memory->medium, &memory_ops, agent->event);
	if (r < 0)
		return r;
	*ret = &TAKE_PTR(memory)->medium;
	return 0;
}
