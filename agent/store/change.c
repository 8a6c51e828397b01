/*
 * The changes of a store. Each is made on a copy of the image, saved, loaded
 * again and compared, and only then takes the place of the image in use: a
 * failure at any step leaves the store as it was.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "image.h"
#include "inside.h"
#include "known.h"
#include "ledger.h"
#include "look.h"
#include "manifest.h"
#include "medium.h"
#include "move.h"
#include "protocol/secret.h"

void store_go_on(struct store *store) {
	if (store->looks.waiting && !store_is_busy(store) && store_start_look(store, false) < 0)
		looks_tell(&store->looks);
}

/* A change has ended, well or not. */
static void store_finish(struct store *store, int error) {
	store_done_t done = store->done;

	/* It was to be made, and certainly was not: the record goes with it. */
	if (store->is_creating && error < 0 && store->state == STORE_ABSENT &&
		store_is_in_keyring(store) && choice_erase() == 0)
		store->is_recorded = false;
	store->is_creating = false;
	store->staged = image_free(store->staged);
	store->staged_seal = seal_free(store->staged_seal);
	store->done = NULL;
	if (done)
		done(error, store->userdata);
	store_go_on(store);
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
		/* What we hold is not what is there: forget it, else the next change undoes it. */
		store_drop(store, STORE_UNKNOWN, 0);
		if (error != -ESTALE)
			error = -EINPROGRESS; /* Saved, and perhaps still there. */
	}
	store_finish(store, error);
}

/* After a failure of which nobody knows whether it came before the save or after it. */
static void store_unsure(int error, struct image *image, void *userdata) {
	_cleanup_(image_freep) struct image *taken = image;
	struct store *store = userdata;
	bool is_old = store->image ? error == 0 && image_equals(taken, store->image)
				   : error == -ENOENT;

	if (error == 0 && image_equals(taken, store->staged)) {
		store_read_back(0, TAKE_PTR(taken), store);
		return;
	}
	if (!is_old)
		store_drop(store, STORE_UNKNOWN, 0);
	/* A keyring that did not answer may still do it; of that -ETIMEDOUT tells by itself. */
	if (store->unsure != -ETIMEDOUT)
		store->unsure = is_old ? -EIO : -EINPROGRESS;
	store_finish(store, store->unsure);
}

static bool is_unsure(int error) {
	return error == -ETIMEDOUT || error == -EINPROGRESS || error == -EIO;
}

static void store_saved(int error, struct image *image, void *userdata) {
	struct store *store = userdata;

	(void) image;
	if (is_unsure(error)) {
		store->unsure = error;
		if (medium_load(store->medium, store_unsure, store) == 0)
			return;
	}
	if (error == -ESTALE) {
		/* What we hold is not what is there: forget it, and read it at the next unlock. */
		store_drop(store, STORE_UNKNOWN, 0);
	}
	if (error == 0)
		error = medium_load(store->medium, store_read_back, store);
	if (error < 0)
		store_finish(store, error);
}

/* While nobody knows which of both is there, both are ours; under a new salt, nobody can tell. */
static void store_note_both(
	const struct store *store, const struct image *staged, const struct seal *seal) {
	if (!store_is_in_keyring(store))
		return;
	if (store->image && seal)
		known_erase();
	else
		known_write(seal ? seal : store->seal, staged, store->image);
}

/* Seals the staged image and starts the save. Takes `staged`, `seal` and `key` (which may be NULL). */
static int store_commit(struct store *store, struct image *staged, struct seal *seal,
	struct secret *key, store_done_t done, void *userdata) {
	_cleanup_(image_freep) struct image *taken = staged;
	_cleanup_(secret_freep) struct secret *taken_key = key;
	_cleanup_(seal_freep) struct seal *taken_seal = seal;
	int r;

	if (store_is_busy(store))
		return -EBUSY;
	r = manifest_write(taken, seal ? seal : store->seal, store->generation + 1);
	if (r == 0) /* Once it is saved, nothing may fail for want of memory. */
		r = image_index(taken);
	if (r == 0)
		r = medium_set_key(store->medium,
			seal_has_open_slot(seal ? seal : store->seal), TAKE_PTR(taken_key));
	if (r < 0)
		return r;
	store_note_both(store, taken, seal);
	r = medium_save(store->medium, taken, store_saved, store);
	if (r < 0)
		return r;
	store->staged = TAKE_PTR(taken);
	store->staged_seal = TAKE_PTR(taken_seal);
	store->done = done;
	store->userdata = userdata;
	return 0;
}

/* Only the record leads to a store in a keyring: it comes first, and nothing is made without it. */
static int store_announce(struct store *store, const struct seal *seal) {
	struct choice choice = {.is_open = seal_has_open_slot(seal)};

	if (!store_is_in_keyring(store))
		return 0;
	(void) snprintf(choice.medium, sizeof(choice.medium), "%s", store_medium_name(store));
	return choice_write(&choice);
}

int store_create(struct store *store, const char *medium, const struct kdf *kdf,
	const struct secret *slot_key, store_done_t done, void *userdata) {
	_cleanup_(image_freep) struct image *image = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	int r;

	if (store->state != STORE_ABSENT)
		return -EEXIST;
	if (store_is_busy(store))
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
	if (!kdf && slot_key) { /* To lie beside it. */
		r = secret_from(secret_peek(slot_key), secret_size(slot_key), &key);
		if (r < 0)
			return r;
	}
	store->generation = 0;
	r = store_announce(store, seal);
	if (r == 0)
		r = store_commit(
			store, TAKE_PTR(image), TAKE_PTR(seal), TAKE_PTR(key), done, userdata);
	store->is_creating = r == 0;
	if (r < 0 && store_is_in_keyring(store))
		(void) choice_erase(); /* Or it says of none that there may be one. */
	return r;
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
	return store_commit(store, TAKE_PTR(staged), NULL, NULL, done, userdata);
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
	return store_commit(store, TAKE_PTR(staged), NULL, NULL, done, userdata);
}

int store_rekey(struct store *store, const struct kdf *kdf, const struct secret *slot_key,
	store_done_t done, void *userdata) {
	_cleanup_(image_freep) struct image *staged = NULL;
	_cleanup_(seal_freep) struct seal *seal = NULL;
	int r;

	if (store->state != STORE_OPEN)
		return -ENOKEY;
	if (store_is_busy(store)) /* Before the work, which is more than that of a put. */
		return -EBUSY;
	r = seal_new(kdf, slot_key, &seal);
	if (r == 0)
		r = ledger_reseal(store->image, store->seal, seal, &staged);
	if (r < 0)
		return r;
	return store_commit(store, TAKE_PTR(staged), TAKE_PTR(seal), NULL, done, userdata);
}

static void store_moved(int error, void *userdata) {
	struct store *store = userdata;
	struct choice choice;

	if (error == 0) {
		medium_free(store->medium);
		store->medium = move_take_medium(store->move);
		store->is_recorded = true;
		store_note_known(store);
	} else if (error == -ESTALE) {
		/* What we hold may not be what is there. */
		store_drop(store, STORE_UNKNOWN, 0);
	}
	store->move = move_free(store->move);
	if (choice_read(&choice) == 0)
		memcpy(store->leftover, choice.leftover, sizeof(store->leftover));
	store_finish(store, error);
}

int store_move(struct store *store, const char *medium, store_done_t done, void *userdata) {
	_cleanup_(medium_freep) struct medium *to = NULL;
	_cleanup_(image_freep) struct image *copy = NULL;
	int r;

	if (store->state != STORE_OPEN)
		return -ENOKEY;
	if (store_is_busy(store) || store->clearing)
		return -EBUSY;
	if (strcmp(medium, store_medium_name(store)) == 0)
		return -EALREADY;
	r = medium_new(medium, store->agent, &to);
	if (r < 0)
		return r;
	if (store_is_in_memory(store) || strcmp(medium, "memory") == 0 || !store_kdf(store))
		return -EINVAL;
	r = image_copy(store->image, &copy);
	if (r == 0)
		r = move_new(store->medium, to, copy, store->generation, store_moved, store,
			&store->move);
	if (r < 0)
		return r;
	(void) TAKE_PTR(to);
	(void) TAKE_PTR(copy);
	store->done = done;
	store->userdata = userdata;
	return 0;
}
