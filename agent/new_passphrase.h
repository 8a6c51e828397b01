#pragma once

/* A new passphrase: asked twice, or the line in a lent pipe; and the key that it becomes. */

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct kdf;
struct new_passphrase;
struct secret;
struct session;

/* Both are borrowed, NULL unless `refusal` is REFUSAL_NONE. May free the object as its last act. */
typedef void (*new_passphrase_done_t)(enum refusal refusal, const struct kdf *kdf,
	const struct secret *slot_key, void *userdata);

/*
 * Takes the pipe where the request announces one; else asks, with `text` above.
 * 0 and *ret (caller frees), -EBADF (the pipe is missing), -ENOTTY, or another negative errno.
 */
int new_passphrase_new(struct session *session, const char *text, new_passphrase_done_t done,
	void *userdata, struct new_passphrase **ret);
struct new_passphrase *new_passphrase_free(struct new_passphrase *new_passphrase);
DEFINE_CLEANUP(struct new_passphrase, new_passphrase_free)
