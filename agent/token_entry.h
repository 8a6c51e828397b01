#pragma once

/*
 * The token of a login, wherever it comes from: the request itself (cargo), a
 * lent pipe, a lent file, cargo's item in the keyring, or a person who types it.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct request;
struct secret;
struct session;
struct token_entry;

/* `token` is the callback's to free; NULL unless `refusal` is REFUSAL_NONE. `detail` may be NULL. */
typedef void (*token_entry_done_t)(
	enum refusal refusal, const char *detail, struct secret *token, void *userdata);

/* Comes the token with the request, so that nobody is asked for it? */
bool token_entry_is_given(const struct request *request);
/* Can it be had again and again, and so be looked at before anybody is asked? */
bool token_entry_is_lasting(const struct request *request);

/*
 * `host` is what the person is told that the token is for. Never calls back from
 * within. 0 and *ret (caller frees), -EBADF (the pipe or file is missing), -ENOTTY,
 * -ENXIO (no bus, and so no keyring), or another negative errno. The callback may free the object as its last act.
 */
int token_entry_new(struct session *session, const char *host, token_entry_done_t done,
	void *userdata, struct token_entry **ret);
struct token_entry *token_entry_free(struct token_entry *entry);
DEFINE_CLEANUP(struct token_entry, token_entry_free)
