#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/log.h"
#include "choice.h"
#include "cipher.h"
#include "image.h"
#include "inside.h"
#include "known.h"
#include "ledger.h"
#include "look.h"
#include "manifest.h"
#include "medium.h"
#include "move.h"
#include "protocol/secret.h"

#define DEFAULT_MEDIUM "vault"

int store_set_medium(struct store *store, const char *name) {
	struct medium *medium;
	int r;

	r = medium_new(name, store->agent, &medium);
	if (r < 0)
		return r;
	medium_free(store->medium);
	store->medium = medium;
	return 0;
}

int store_new(struct agent *agent, const char *medium, struct store **ret) {
	_cleanup_(store_freep) struct store *store = NULL;
	int r;

	r = cipher_init();
	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->agent = agent;
	(void) snprintf(
		store->chosen, sizeof(store->chosen), "%s", medium ? medium : DEFAULT_MEDIUM);
	r = store_set_medium(store, store->chosen);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	return 0;
}

struct store *store_free(struct store *store) {
	if (!store)
		return NULL;
	looks_drop(&store->looks);
	move_free(store->move);
	move_free(store->clearing);
	medium_free(store->medium);
	image_free(store->image);
	image_free(store->staged);
	seal_free(store->seal);
	seal_free(store->staged_seal);
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

bool store_has_medium(const struct store *store, const char *name) {
	struct medium *medium;
	int r = medium_new(name, store->agent, &medium);

	if (r == 0)
		medium_free(medium);
	return r != -ENOTSUP;
}

const char *store_leftover(const struct store *store) {
	return store->leftover[0] ? store->leftover : NULL;
}

const char *store_path(const struct store *store) {
	return medium_path(store->medium);
}

const struct kdf *store_kdf(const struct store *store) {
	return store->seal ? seal_kdf(store->seal) : NULL;
}

bool store_opens_itself(const struct store *store) {
	return store->seal && seal_has_open_slot(store->seal);
}

bool store_is_in_memory(const struct store *store) {
	return strcmp(store->medium->ops->name, "memory") == 0;
}

bool store_is_in_keyring(const struct store *store) {
	return strcmp(store->medium->ops->name, "keyring") == 0;
}

bool store_is_busy(const struct store *store) {
	return store->move || store->medium->is_busy;
}

void store_drop(struct store *store, enum store_state state, int error) {
	store->image = image_free(store->image);
	store->seal = seal_free(store->seal);
	store->state = state;
	store->error = error;
}

void store_forget_callback(struct store *store, void *userdata) {
	if (store->userdata == userdata)
		store->done = NULL;
	looks_forget(&store->looks, userdata);
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
	if (seal_has_open_slot(seal) && (!store->may_be_open || !store->medium->ops->load_key)) {
		/* Made by another program in its place: what goes in would be that one's to read. */
		log_warning("the store opens without a passphrase, and the one that was chosen does "
			    "not: it is not used");
		image_free(image);
		seal_free(seal);
		store_drop(store, STORE_BROKEN, -EBADMSG);
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
	looks_tell(&store->looks);
}

int store_start_look(struct store *store, bool may_ask) {
	struct choice choice = {0};
	int r;

	if (!store_is_in_memory(store)) {
		r = choice_read(&choice);
		/* An unreadable record still says that there was a store; one of 0, that there will be. */
		store->is_recorded = r == 0 ? choice.generation > 0 : r != -ENOENT;
		store->may_be_open = r == 0 ? choice.is_open : r == -ENOENT;
		if (r == -ENOENT) /* One that was recorded, and is not any more, counts for nothing. */
			memcpy(choice.medium, store->chosen, sizeof(choice.medium));
		if (choice.medium[0] && strcmp(choice.medium, store_medium_name(store)) != 0)
			r = store_set_medium(store, choice.medium);
		store->choice_error = r == -ENOTSUP ? r : 0;
		if (r == -ENOTSUP)
			log_warning("the recorded store '%s' is of a kind unknown to this agent",
				choice.medium);
	}
	if (may_ask)
		medium_let_ask(store->medium);
	return medium_load(store->medium, store_loaded, store);
}

int store_load(struct store *store, bool may_ask, store_done_t done, void *userdata) {
	int r = 0;

	if (!store_is_busy(store))
		r = store_start_look(store, may_ask);
	/* Out of memory: the look goes on and tells nobody. */
	return r < 0 ? r : looks_add(&store->looks, done, userdata);
}

int store_choose(struct store *store, const char *medium) {
	int r;

	if (store->is_recorded || store->state == STORE_OPEN)
		return -EEXIST;
	if (store_is_busy(store))
		return -EBUSY;
	r = store_set_medium(store, medium);
	if (r < 0)
		return r;
	(void) snprintf(store->chosen, sizeof(store->chosen), "%s", medium);
	store_drop(store, STORE_UNKNOWN, 0);
	return 0;
}

int store_adopt(struct store *store) {
	if (store->is_recorded)
		return -EEXIST;
	store->generation = 0; /* Whatever another store here was at. */
	return store_write_choice(store);
}

int store_write_choice(struct store *store) {
	struct choice choice = {
		.generation = store->generation,
		.is_open = store->seal && seal_has_open_slot(store->seal),
	};
	int r;

	if (store_is_in_memory(store))
		return 0;
	(void) snprintf(choice.medium, sizeof(choice.medium), "%s", store_medium_name(store));
	memcpy(choice.leftover, store->leftover, sizeof(choice.leftover));
	r = choice_write(&choice);
	if (r < 0)
		log_warning("the choice of the store could not be recorded: %s", strerror(-r));
	else
		store->is_recorded = true;
	return r;
}

void store_record(struct store *store) {
	(void) store_write_choice(store); /* Logged. What is recorded is right, if old. */
	store_note_known(store);
}

/* A keyring can be locked or away: then this still tells which URLs are ours. */
void store_note_known(const struct store *store) {
	if (store->image && store_is_in_keyring(store))
		known_write(store->seal, store->image, NULL);
}

static void store_cleared(int error, void *userdata) {
	struct store *store = userdata;

	store->clearing = move_free(store->clearing);
	if (error < 0 || store->state != STORE_OPEN)
		return; /* Stays on record for the next unlock. */
	store->leftover[0] = '\0';
	store_record(store);
}

void store_clear_leftover(struct store *store) {
	_cleanup_(medium_freep) struct medium *medium = NULL;
	_cleanup_(image_freep) struct image *header = NULL;
	int r;

	if (store->leftover[0] == '\0' || store->move || store->clearing)
		return;
	r = medium_new(store->leftover, store->agent, &medium);
	if (r == 0)
		r = ledger_new(store->seal, &header);
	if (r == 0)
		r = move_clear(medium, header, store_cleared, store, &store->clearing);
	if (r < 0) {
		log_warning("what a move left on '%s' is not erased yet: %s", store->leftover,
			strerror(-r));
		return;
	}
	(void) TAKE_PTR(medium);
	(void) TAKE_PTR(header);
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
	if (!store_is_in_memory(store) && choice_read(&choice) == 0 &&
		choice.generation > generation) {
		seal_close(store->seal);
		return -ENOTUNIQ;
	}
	store->generation = generation;
	store->state = STORE_OPEN;
	if (!store->move && !store->clearing)
		memcpy(store->leftover, choice.leftover, sizeof(store->leftover));
	if (choice.generation != generation)
		store_record(store);
	else
		store_note_known(store);
	/* Only now that this one has proved to be whole. */
	store_clear_leftover(store);
	return 0;
}

static void store_key_loaded(int error, struct secret *key, void *userdata) {
	_cleanup_(secret_freep) struct secret *taken = key;
	struct store *store = userdata;
	store_done_t done = store->done;

	store->done = NULL;
	/* Changed, or opened by another, while the key was on its way. */
	if (error == 0 && store->state != STORE_LOCKED)
		error = store->state == STORE_OPEN ? 0 : -EAGAIN;
	else if (error == 0 && done) /* Nobody who waits: it was locked, and stays so. */
		error = store_unlock(store, taken);
	if (done)
		done(error, store->userdata);
	store_go_on(store);
}

int store_open_itself(struct store *store, store_done_t done, void *userdata) {
	int r;

	if (!store_opens_itself(store))
		return -ENOTSUP;
	if (store_is_busy(store))
		return -EBUSY;
	r = medium_load_key(store->medium, store_key_loaded, store);
	if (r < 0)
		return r;
	store->done = done;
	store->userdata = userdata;
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

bool store_may_have_url(const struct store *store, const char *url) {
	if (store->image)
		return store_has_url(store, url);
	return !store_is_in_keyring(store) || known_has(url) != 0;
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
