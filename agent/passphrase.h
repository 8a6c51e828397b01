#pragma once

/*
 * The store's passphrase: asked from a person (or given with the request),
 * made a key, and tried. A wrong one is asked again, three times in all, and
 * makes the next one on this connection wait: 1 s, 2 s, 4 s, up to 30 s.
 */

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct passphrase;
struct secret;
struct session;

enum passphrase_use {
	PASSPHRASE_UNLOCK,  /* open the store with it */
	PASSPHRASE_CONFIRM, /* a person agrees to what the text says; the store stays as it is */
};

typedef void (*passphrase_done_t)(enum refusal refusal, void *userdata);

/*
 * `terminal` is -1 for none; `text` is shown above the prompt and may be NULL.
 * `given` is taken over; with it nobody is asked. Returns 0 and *ret (caller
 * frees); -ENOTTY if somebody has to be asked and cannot be; other negative
 * errno. The callback may free the object as its last act.
 */
int passphrase_new(struct session *session, enum passphrase_use use, int terminal, const char *text,
	struct secret *given, passphrase_done_t done, void *userdata, struct passphrase **ret);
struct passphrase *passphrase_free(struct passphrase *passphrase);
DEFINE_CLEANUP(struct passphrase, passphrase_free)

/*
 * What to answer for a failure that a store's callback tells, or store_error.
 * REFUSAL_NONE for 0, REFUSAL_STORE_FAILED for what has no word of its own.
 */
enum refusal store_refusal(int error);
/* Words on it, where the refusal says too little; else NULL. Static text. */
const char *store_refusal_detail(int error);

/*
 * After a change of the store that a callback tells: where the store was given up
 * because it is not, or may not be, what was held, all that was approved of it goes.
 */
void store_settle(struct agent *agent, int error);

/* What to answer for a store that is not there or cannot be read. REFUSAL_NONE if it can. */
enum refusal store_trouble(const struct agent *agent);
