#include "medium.h"

#include <assert.h>
#include <errno.h>

static int medium_on_post(sd_event_source *source, void *userdata) {
	struct medium *medium = userdata;
	struct image *image = TAKE_PTR(medium->image);

	(void) source;
	medium->is_busy = false;
	medium->done(medium->error, image, medium->userdata);
	return 0;
}

int medium_init(struct medium *medium, const struct medium_ops *ops, sd_event *event) {
	int r;

	medium->ops = ops;
	r = sd_event_add_defer(event, &medium->post, medium_on_post, medium);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(medium->post, SD_EVENT_OFF);
}

void medium_complete(struct medium *medium, int error, struct image *image) {
	int r;

	medium->error = error;
	medium->image = image;
	r = sd_event_source_set_enabled(medium->post, SD_EVENT_ONESHOT);
	assert(r >= 0); /* Turning on a source that exists does not fail. */
}

static int begin(struct medium *medium, medium_done_t done, void *userdata) {
	if (medium->is_busy)
		return -EBUSY;
	medium->is_busy = true;
	medium->done = done;
	medium->userdata = userdata;
	return 0;
}

int medium_load(struct medium *medium, medium_done_t done, void *userdata) {
	int r = begin(medium, done, userdata);

	if (r == 0)
		medium->ops->load(medium);
	return r;
}

int medium_save(struct medium *medium, const struct image *image, medium_done_t done,
	void *userdata) {
	int r = begin(medium, done, userdata);

	if (r == 0)
		medium->ops->save(medium, image);
	return r;
}

int medium_erase(struct medium *medium, medium_done_t done, void *userdata) {
	int r = begin(medium, done, userdata);

	if (r == 0)
		medium->ops->erase(medium);
	return r;
}

struct medium *medium_free(struct medium *medium) {
	if (!medium)
		return NULL;
	sd_event_source_disable_unref(medium->post);
	image_free(medium->image);
	medium->ops->free(medium);
	return NULL;
}

const char *medium_path(const struct medium *medium) {
	return medium->ops->path ? medium->ops->path(medium) : NULL;
}
