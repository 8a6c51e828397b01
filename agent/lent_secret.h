#pragma once

/*
 * The secret that a client lends in a pipe: its first line, so that the bytes
 * never enter the client. Never changes the pipe's flags.
 */

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct lent_secret;
struct secret;
struct session;

/* `secret` is the callback's to free; NULL unless `refusal` is REFUSAL_NONE. */
typedef void (*lent_secret_done_t)(enum refusal refusal, struct secret *secret, void *userdata);

/* Reads session->pipe. 0 and *ret (caller frees), -EBADF without a pipe, or a negative errno. */
int lent_secret_new(struct session *session, lent_secret_done_t done, void *userdata,
	struct lent_secret **ret);
struct lent_secret *lent_secret_free(struct lent_secret *lent);
DEFINE_CLEANUP(struct lent_secret, lent_secret_free)
