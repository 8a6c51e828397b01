#pragma once

/*
 * The secret that a client lends in a pipe: its first line, or all of it, so that the bytes
 * never enter the client. Never changes the pipe's flags.
 */

#include <stddef.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct lent_secret;
struct secret;
struct session;

/* `secret` is the callback's to free; NULL unless `refusal` is REFUSAL_NONE. */
typedef void (*lent_secret_done_t)(enum refusal refusal, struct secret *secret, void *userdata);

/*
 * Reads session->pipe: to its end, up to `size_max` bytes, or for 0 one line of TOKEN_MAX.
 * 0 and *ret (caller frees), -EBADF without a pipe, or a negative errno.
 */
int lent_secret_new(struct session *session, size_t size_max, lent_secret_done_t done,
	void *userdata, struct lent_secret **ret);
struct lent_secret *lent_secret_free(struct lent_secret *lent);
DEFINE_CLEANUP(struct lent_secret, lent_secret_free)
