/*
 * A change is made on a copy of the image, saved, loaded again and compared,
 * and only then takes the place of the image in use: a failure at any step
 * leaves the store as it was.
 */

#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/log.h"
#include "choice.h"
#include "cipher.h"
#include "image.h"
#include "ledger.h"
#include "look.h"
#include "manifest.h"
#include "medium.h"

#define DEFAULT_MEDIUM "vault"

struct store {
	sd_event *event;
	struct medium *medium;
	bool is_recorded; /* a choice lies in the state folder; never for memory */
	enum store_state state;
	int error;
	int choice_error; /* -ENOTSUP: what was recorded is a medium unknown to us */
	struct image *image;
	struct seal *seal;
	uint64_t generation;

	/* Those who want to know what is there. */
	struct look *looks;

	/* The change under way. */
	store_done_t done;
	void *userdata;
	struct image *staged;
	struct seal *staged_seal; /* store_create and store_rekey only */
};

static int store_set_medium(struct store *store, const char *name) {
	struct medium *medium;
	int r;

	r = medium_new(name, store->event, &medium);
	if (r < 0)
		return r;
	medium_free(store->medium);
	store->medium = medium;
	return 0;
}

int store_new(sd_event *event, const char *medium, struct store **ret) {
	_cleanup_(store_freep) struct store *store = NULL;
	int r;

	r = cipher_init();
	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->event = sd_event_ref(event);
	r = store_set_medium(store, medium ? medium : DEFAULT_MEDIUM);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	return 0;
}

struct store *store_free(struct store *store) {
	if (!store)
		return NULL;
	look_drop_all(&store->looks);
	medium_free(store->medium);
	image_free(store->image);
	image_free(store->staged);
	seal_free(store->seal);
	seal_free(store->staged_seal);
	sd_event_unref(store->event);
	free(store);
	return NULL;
}

enum store_state store_state(const struct store *store) {
	return store->state;
}

int store_error(const struct store *store) {
	return store->error;
}

const char *store_medium_name(const struct store *store) {
	return store->medium->ops->name;
}

const char *store_path(const struct store *store) {
	return medium_path(store->medium);
}

const struct kdf *store_kdf(const struct store *store) {
	return store->seal ? seal_kdf(store->seal) : NULL;
}

static bool is_in_memory(const struct store *store) {
	return strcmp(store->medium->ops->name, "memory") == 0;
}

static void store_drop(struct store *store, enum store_state state, int error) {
	store->image = image_free(store->image);
	store->seal = seal_free(store->seal);
	store->state = state;
	store->error = error;
}

static int store_start_look(struct store *store);

/* A change has ended, well or not. */
static void store_finish(struct store *store, int error) {
	store_done_t done = store->done;

	store->staged = image_free(store->staged);
	store->staged_seal = seal_free(store->staged_seal);
	store->done = NULL;
	if (done)
		done(error, store->userdata);
	/* Looks that came meanwhile had to wait for the medium. */
	if (store->looks && !store->medium->is_busy && store_start_look(store) < 0)
		look_tell_all(&store->looks);
}

void store_forget_callback(struct store *store, void *userdata) {
	if (store->userdata == userdata)
		store->done = NULL;
	look_forget(&store->looks, userdata);
}

static void store_take_image(struct store *store, struct image *image) {
	struct seal *seal;
	int r;

	store_drop(store, STORE_LOCKED, 0);
	r = image_index(image);
	if (r == 0)
		r = seal_read(image->header, image->header_size, &seal);
	if (r < 0) {
		image_free(image);
		store_drop(store, STORE_BROKEN, r);
		return;
	}
	store->image = image;
	store->seal = seal;
}

static void store_loaded(int error, struct image *image, void *userdata) {
	struct store *store = userdata;

	if (store->state == STORE_OPEN) {
		/* Opened by another since. Its image is in use, if it is still what is there. */
		if (error < 0 || !image_equals(image, store->image))
			store_drop(store, STORE_UNKNOWN, 0);
		image_free(image);
	} else if (store->choice_error < 0) {
		image_free(image);
		store_drop(store, STORE_BROKEN, store->choice_error);
	} else if (error == 0)
		store_take_image(store, image);
	else if (error == -ENOENT && !store->is_recorded)
		store_drop(store, STORE_ABSENT, 0);
	else
		store_drop(store, STORE_BROKEN, error);
	look_tell_all(&store->looks);
}

static int store_start_look(struct store *store) {
	struct choice choice;
	int r;

	if (!is_in_memory(store)) {
		r = choice_read(&choice);
		/* An unreadable record still says that there was a store. */
		store->is_recorded = r != -ENOENT;
		if (r == 0 && strcmp(choice.medium, store_medium_name(store)) != 0)
			r = store_set_medium(store, choice.medium);
		store->choice_error = r == -ENOTSUP ? r : 0;
		if (r == -ENOTSUP)
			log_warning("the recorded store '%s' is of a kind unknown to this agent",
				choice.medium);
	}
	return medium_load(store->medium, store_loaded, store);
}

int store_load(struct store *store, store_done_t done, void *userdata) {
	int r = 0;

	if (!store->medium->is_busy)
		r = store_start_look(store);
	/* Out of memory: the look goes on and tells nobody. */
	return r < 0 ? r : look_add(&store->looks, done, userdata);
}

/* Remembers what was chosen and how new it is; without it only rollbacks go unseen. */
static void store_record(struct store *store) {
	struct choice choice = {.generation = store->generation};
	int r;

	if (is_in_memory(store))
		return;
	(void) snprintf(choice.medium, sizeof(choice.medium), "%s", store_medium_name(store));
	r = choice_write(&choice);
	if (r < 0)
		log_warning("the choice of the store could not be recorded: %s", strerror(-r));
	else
		store->is_recorded = true;
}

static void store_read_back(int error, struct image *image, void *userdata) {
	_cleanup_(image_freep) struct image *taken = image;
	struct store *store = userdata;

	if (error == 0 && !image_equals(taken, store->staged))
		error = -ESTALE;
	/* Locked meanwhile: the change is kept, the key is not. */
	if (error == 0) {
		image_free(store->image);
		store->image = TAKE_PTR(store->staged);
		store->generation++;
		if (store->staged_seal) {
			seal_free(store->seal);
			store->seal = TAKE_PTR(store->staged_seal);
			store->state = seal_is_open(store->seal) ? STORE_OPEN : STORE_LOCKED;
			store->error = 0;
		}
		store_record(store);
	} else {
		/* What we hold is not what is there: forget it, or the next change would undo it. */
		store_drop(store, STORE_UNKNOWN, 0);
	}
	store_finish(store, error);
}

static void store_saved(int error, struct image *image, void *userdata) {
	struct store *store = userdata;

	(void) image;
	if (error == -ESTALE) {
		/* What we hold is not what is there: forget it, and read it at the next unlock. */
		store_drop(store, STORE_UNKNOWN, 0);
	}
	if (error == 0)
		error = medium_load(store->medium, store_read_back, store);
	if (error < 0)
		store_finish(store, error);
}

/* Seals the staged image and starts the save. Takes `staged` and `seal` (which may be NULL). */
static int store_commit(struct store *store, struct image *staged, struct seal *seal,
	store_done_t done, void *userdata) {
	_cleanup_(image_freep) struct image *taken = staged;
	_cleanup_(seal_freep) struct seal *taken_seal = seal;
	int r;

	if (store->medium->is_busy)
		return -EBUSY;
	r = manifest_write(taken, seal ? seal : store->seal, store->generation + 1);
	if (r == 0) /* Once it is saved, nothing may fail for want of memory. */
		r = image_index(taken);
	if (r < 0)
		return r;
	r = medium_save(store->medium, taken, store_saved, store);
	if (r < 0)
		return r;
	store->staged = TAKE_PTR(taken);
	store->staged_seal = TAKE_PTR(taken_seal);
	store->done = done;
	store->userdata = userdata;
	return 0;
}

int store_create(struct store *store, const char *medium, const struct kdf *kdf,
	const struct secret *slot_key, store_done_t done, void *userdata) {
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	int r;

	if (store->state != STORE_ABSENT)
		return -EEXIST;
	if (store->medium->is_busy)
		return -EBUSY;
	if (strcmp(medium, store_medium_name(store)) != 0) {
		r = store_set_medium(store, medium);
		if (r < 0)
			return r;
	}
	r = seal_new(kdf, slot_key, &seal);
	if (r < 0)
		return r;
	r = ledger_new(seal, &image);
	if (r < 0)
		return r;
	store->generation = 0;
	return store_commit(store, TAKE_PTR(image), TAKE_PTR(seal), done, userdata);
}

int store_unlock(struct store *store, const struct secret *slot_key) {
	struct choice choice = {0};
	uint64_t generation;
	int r;

	assert(store->state == STORE_LOCKED);
	r = seal_open(store->seal, slot_key);
	if (r < 0)
		return r;
	r = manifest_check(store->image, store->seal, &generation);
	if (r < 0) {
		seal_close(store->seal);
		return r;
	}
	if (!is_in_memory(store) && choice_read(&choice) == 0 && choice.generation > generation) {
		seal_close(store->seal);
		return -ENOTUNIQ;
	}
	store->generation = generation;
	store->state = STORE_OPEN;
	if (choice.generation != generation)
		store_record(store);
	return 0;
}

int store_check_key(const struct store *store, const struct secret *slot_key) {
	return store->seal ? seal_check(store->seal, slot_key) : -EKEYREJECTED;
}

void store_lock(struct store *store) {
	if (store->staged_seal) /* One that is just being made comes out locked. */
		seal_close(store->staged_seal);
	if (store->state != STORE_OPEN)
		return;
	seal_close(store->seal);
	store->state = STORE_LOCKED;
}

bool store_has_url(const struct store *store, const char *url) {
	return store->image && ledger_has_url(store->image, store->seal, url);
}

uint64_t store_generation(const struct store *store) {
	return store->generation;
}

size_t store_n_accounts(const struct store *store) {
	return store->image ? ledger_n_accounts(store->image) : 0;
}

int store_find(const struct store *store, const char *url, const char *name, bool with_token,
	struct account **ret) {
	if (store->state != STORE_OPEN)
		return -ENOKEY;
	return ledger_find(store->image, store->seal, url, name, with_token, ret);
}

int store_at(const struct store *store, size_t index, struct account **ret) {
	if (store->state != STORE_OPEN)
		return -ENOKEY;
	return ledger_at(store->image, store->seal, index, ret);
}

int store_put(struct store *store, const struct account *account, store_done_t done,
	void *userdata) {
	_cleanup_(image_freep) struct image *staged = NULL;
	int r;

	if (store->state != STORE_OPEN)
		return -ENOKEY;
	r = image_copy(store->image, &staged);
	if (r < 0)
		return r;
	r = ledger_put(staged, store->seal, account);
	if (r < 0)
		return r;
	return store_commit(store, TAKE_PTR(staged), NULL, done, userdata);
}

int store_erase(struct store *store, const char *url, const char *name, store_done_t done,
	void *userdata) {
	_cleanup_(image_freep) struct image *staged = NULL;
	int r;

	if (store->state != STORE_OPEN)
		return -ENOKEY;
	r = url ? image_copy(store->image, &staged) : ledger_new(store->seal, &staged);
	if (r == 0 && url)
		r = ledger_erase(staged, store->seal, url, name);
	if (r < 0)
		return r;
	return store_commit(store, TAKE_PTR(staged), NULL, done, userdata);
}

int store_rekey(struct store *store, const struct kdf *kdf, const struct secret *slot_key,
	store_done_t done, void *userdata) {
	_cleanup_(image_freep) struct image *staged = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	int r;

	if (store->state != STORE_OPEN)
		return -ENOKEY;
	if (store->medium->is_busy) /* Before the work, which is more than that of a put. */
		return -EBUSY;
	r = seal_new(kdf, slot_key, &seal);
	if (r == 0)
		r = ledger_reseal(store->image, store->seal, seal, &staged);
	if (r < 0)
		return r;
	return store_commit(store, TAKE_PTR(staged), TAKE_PTR(seal), done, userdata);
}
