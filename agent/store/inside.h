#pragma once

/* The store as its own files see it; nobody else includes this. */

#include "store.h"

struct image;
struct look;
struct medium;

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

/* -ENOTSUP, -ENOMEM; then the old one stays. */
int store_set_medium(struct store *store, const char *name);
bool store_is_in_memory(const struct store *store);
/* Forgets what was read. */
void store_drop(struct store *store, enum store_state state, int error);
/* Reads the medium anew and tells all looks. 0 or a negative errno. */
int store_start_look(struct store *store);
/* Remembers what was chosen and how new it is; without it only rollbacks go unseen. */
void store_record(struct store *store);
