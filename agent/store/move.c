#include "move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/log.h"
#include "choice.h"
#include "image.h"
#include "medium.h"

struct move {
	struct medium *from; /* borrowed; NULL while only clearing */
	struct medium *to;
	struct image *image;
	uint64_t generation;
	move_done_t done;
	void *userdata;
	int error; /* for which it is undone */
};

static int record(const struct move *move, const struct medium *chosen,
	const struct medium *leftover) {
	struct choice choice = {.generation = move->generation};

	(void) snprintf(choice.medium, sizeof(choice.medium), "%s", chosen->ops->name);
	if (leftover)
		(void) snprintf(
			choice.leftover, sizeof(choice.leftover), "%s", leftover->ops->name);
	return choice_write(&choice);
}

static void finish(struct move *move, int error) {
	move->done(error, move->userdata);
}

static void undo_erased(int error, struct image *image, void *userdata) {
	struct move *move = userdata;
	int r;

	(void) image;
	if (error < 0)
		log_warning("the copy on '%s' could not be erased, the next unlock tries again: %s",
			move->to->ops->name, strerror(-error));
	else {
		r = record(move, move->from, NULL);
		if (r < 0) /* The next unlock finds nothing to clear, and records that. */
			log_warning("the end of a move could not be recorded: %s", strerror(-r));
	}
	finish(move, move->error);
}

static void undo(struct move *move, int error) {
	int r;

	move->error = error;
	/* First of all: while it is not certain which one is recorded, both must stay. */
	r = record(move, move->from, move->to);
	if (r == 0)
		r = medium_erase(move->to, undo_erased, move);
	if (r < 0)
		undo_erased(r, NULL, move);
}

static void old_erased(int error, struct image *image, void *userdata) {
	struct move *move = userdata;
	int r;

	(void) image;
	/* Another program was there first: its change is on the old one alone. */
	if (error == -ESTALE) {
		undo(move, error);
		return;
	}
	if (error < 0) {
		log_warning("the old store on '%s' is not erased, the next unlock tries again: %s",
			move->from->ops->name, strerror(-error));
	} else {
		r = record(move, move->to, NULL);
		if (r < 0) /* The next unlock finds nothing to clear, and records that. */
			log_warning("the end of a move could not be recorded: %s", strerror(-r));
	}
	finish(move, 0);
}

static void copy_read_back(int error, struct image *image, void *userdata) {
	_cleanup_(image_freep) struct image *taken = image;
	struct move *move = userdata;
	int r = error;

	if (r == 0 && !image_equals(taken, move->image))
		r = -ESTALE;
	if (r == 0)
		r = record(move, move->to, move->from);
	if (r < 0) {
		undo(move, r);
		return;
	}
	r = medium_erase(move->from, old_erased, move);
	if (r < 0)
		old_erased(r, NULL, move);
}

static void copy_saved(int error, struct image *image, void *userdata) {
	struct move *move = userdata;
	int r = error;

	(void) image;
	if (r == 0)
		r = medium_load(move->to, copy_read_back, move);
	if (r < 0)
		undo(move, r);
}

/* Something that is there is never overwritten, be it damaged or newer. */
static void new_looked(int error, struct image *image, void *userdata) {
	struct move *move = userdata;
	int r = error;

	image_free(image);
	if (r == 0 || r == -EBADMSG || r == -ENOTSUP)
		r = -EEXIST;
	if (r == -ENOENT)
		r = record(move, move->from, move->to);
	if (r < 0) {
		finish(move, r);
		return;
	}
	r = medium_save(move->to, move->image, copy_saved, move);
	if (r < 0)
		undo(move, r);
}

static void clear_erased(int error, struct image *image, void *userdata) {
	struct move *move = userdata;

	(void) image;
	if (error < 0)
		log_warning("what a move left on '%s' could not be erased: %s", move->to->ops->name,
			strerror(-error));
	/* Not what we have just looked at: then it is not what the move left. */
	finish(move, error == -EEXIST || error == -ESTALE ? 0 : error);
}

static void clear_looked(int error, struct image *image, void *userdata) {
	_cleanup_(image_freep) struct image *taken = image;
	struct move *move = userdata;
	int r = error;

	if (r == 0 && !image_has_header_of(taken, move->image)) {
		log_warning("on '%s' lies another store, leaving it", move->to->ops->name);
		finish(move, 0);
		return;
	}
	/* Where there is no store, parts of one may be left. */
	if (r == 0 || r == -EBADMSG || r == -ENOENT)
		r = medium_erase(move->to, clear_erased, move);
	if (r < 0)
		clear_erased(r, NULL, move);
}

/* Takes `to` and `image`, unless it fails. */
static int start(struct medium *to, struct image *image, medium_done_t looked, move_done_t done,
	void *userdata, struct move **ret) {
	struct move *move = calloc(1, sizeof(*move));
	int r;

	if (!move)
		return -ENOMEM;
	r = medium_load(to, looked, move);
	if (r < 0) {
		free(move);
		return r;
	}
	move->to = to;
	move->image = image;
	move->done = done;
	move->userdata = userdata;
	*ret = move;
	return 0;
}

int move_new(struct medium *from, struct medium *to, struct image *image, uint64_t generation,
	move_done_t done, void *userdata, struct move **ret) {
	struct move *move;
	int r;

	medium_let_ask(to); /* A person has just agreed. */
	r = start(to, image, new_looked, done, userdata, &move);
	if (r < 0)
		return r;
	move->from = from;
	move->generation = generation;
	*ret = move;
	return 0;
}

int move_clear(struct medium *medium, struct image *image, move_done_t done, void *userdata,
	struct move **ret) {
	return start(medium, image, clear_looked, done, userdata, ret);
}

struct move *move_free(struct move *move) {
	if (!move)
		return NULL;
	medium_free(move->to);
	image_free(move->image);
	free(move);
	return NULL;
}

struct medium *move_take_medium(struct move *move) {
	return TAKE_PTR(move->to);
}
