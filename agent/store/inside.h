#pragma once

/* The store as its own files see it; nobody else includes this. */

#include "choice.h"
#include "look.h"
#include "store.h"

struct image;
struct medium;
struct move;

struct store {
	struct agent *agent;
	struct medium *medium;
	/* The one to look at while none is recorded. */
	char chosen[CHOICE_NAME_SIZE];
	bool is_recorded; /* a choice lies in the state folder; never for memory */
	enum store_state state;
	int error;
	bool may_be_open; /* it was chosen to open without a person */
	int choice_error; /* -ENOTSUP: what was recorded is a medium unknown to us */
	struct image *image;
	struct seal *seal;
	uint64_t generation;

	/* Those who want to know what is there. */
	struct looks looks;

	/* The change under way. */
	store_done_t done;
	void *userdata;
	struct image *staged;
	struct seal *staged_seal; /* store_create and store_rekey only */
	bool is_creating;
	int unsure; /* with which a save failed that may have happened */
	struct move *move;

	/* What an earlier move left, until it is erased: the medium's name, or empty. */
	char leftover[CHOICE_NAME_SIZE];
	struct move *clearing;
};

/* A change or a look is under way. */
bool store_is_busy(const struct store *store);

/* -ENOTSUP, -ENOMEM; then the old one stays. */
int store_set_medium(struct store *store, const char *name);
bool store_is_in_memory(const struct store *store);
bool store_is_in_keyring(const struct store *store);
/* Forgets what was read. */
void store_drop(struct store *store, enum store_state state, int error);
/* Reads the medium anew and tells all looks. 0 or a negative errno. */
int store_start_look(struct store *store, bool may_ask);
/* The medium is free again: looks that came meanwhile get theirs. */
void store_go_on(struct store *store);
/* Begins to erase what an earlier move left; the store may be used and changed meanwhile. */
void store_clear_leftover(struct store *store);
/* Remembers what was chosen and how new it is; without it only rollbacks go unseen. */
void store_record(struct store *store);
/* The first half of that. 0 or a negative errno, which is logged. */
int store_write_choice(struct store *store);
void store_note_known(const struct store *store);
