#pragma once

/* One `get`, through its two files: get.c (acts) and get_read.c. */

#include <stdbool.h>

#include "agent/peer.h"
#include "agent/signing.h"
#include "protocol/refusal.h"

struct account;
struct consent;
struct history;
struct origin;
struct passphrase;
struct route;
struct secret;
struct session;

struct get {
	struct session *session;
	const char *account;
	/* The process that started the provider; pid -1 if it could not be pinned. */
	struct peer cargo;
	bool is_covered; /* by a grant, which has this release written down */
	int terminal;	 /* of that grant; -1 without */
	char *text;
	/* That the approval is for, without its token: as it was shown, or when the store was opened. */
	struct account *agreed;
	struct route *route;
	struct history *history;
	struct origin *origin;
	struct consent *consent;
	struct passphrase *passphrase;
	struct signing *signing;
};

/* For `read`: opens the store if need be, and answers. */
void get_read(struct get *get);

/* `account` is the one whose token leaves, NULL where none does. 0 or a negative errno. */
int get_audit(const struct get *get, const struct account *account, enum refusal refusal);
/* Written down, then refused. */
void get_refuse(struct get *get, enum refusal refusal, const char *detail);
/* REFUSAL_NONE and *ret (caller frees), without its token, for an account whose token may be used. */
enum refusal get_find(struct get *get, const char *name, struct account **ret);
/* 0 and *ret with its token (caller frees), or a negative errno, and the request is refused. */
int get_open_token(struct get *get, const char *name, struct account **ret);
bool get_is_publish(const struct get *get);
/* Sends it, for an act: all is decided. */
void get_give(struct get *get, const struct secret *token);
/* Signs what the request asks for: `done` is called with the get, or the request is refused. */
void get_sign(struct get *get, const struct account *account, signing_done_t done);
/* It does not happen after all: what was written down of it is taken back, and it is refused. */
void get_undo(struct get *get, enum refusal refusal, const char *detail);
