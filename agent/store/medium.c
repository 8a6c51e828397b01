#include "medium.h"

#include <assert.h>
#include <errno.h>

#include "protocol/secret.h"

static int medium_on_post(sd_event_source *source, void *userdata) {
	struct medium *medium = userdata;
	struct image *image = TAKE_PTR(medium->image);
	struct secret *key = TAKE_PTR(medium->loaded_key);

	(void) source;
	medium->is_busy = false;
	medium->may_ask = false;
	if (medium->key_done)
		medium->key_done(medium->error, key, medium->userdata);
	else
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

void medium_complete_key(struct medium *medium, int error, struct secret *key) {
	medium->loaded_key = key;
	medium_complete(medium, error, NULL);
}

void medium_let_ask(struct medium *medium) {
	medium->may_ask = true;
}

int medium_set_key(struct medium *medium, bool has_key, struct secret *key) {
	_cleanup_(secret_freep) struct secret *taken = key;

	if (has_key && !medium->ops->load_key)
		return -ENOTSUP;
	medium->has_key = has_key;
	secret_free(medium->key);
	medium->key = TAKE_PTR(taken);
	return 0;
}

static int begin(struct medium *medium, medium_done_t done, void *userdata) {
	if (medium->is_busy)
		return -EBUSY;
	medium->is_busy = true;
	medium->done = done;
	medium->key_done = NULL;
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

int medium_load_key(struct medium *medium, medium_key_done_t done, void *userdata) {
	int r;

	if (!medium->ops->load_key)
		return -ENOTSUP;
	r = begin(medium, NULL, userdata);
	if (r < 0)
		return r;
	medium->key_done = done;
	medium->ops->load_key(medium);
	return 0;
}

struct medium *medium_free(struct medium *medium) {
	if (!medium)
		return NULL;
	sd_event_source_disable_unref(medium->post);
	image_free(medium->image);
	secret_free(medium->loaded_key);
	secret_free(medium->key);
	medium->ops->free(medium);
	return NULL;
}

const char *medium_path(const struct medium *medium) {
	return medium->ops->path ? medium->ops->path(medium) : NULL;
}
