#pragma once

/*
 * How the index of an account is reached: what was sealed at login, and where
 * its reads want a token, that token. A copy, that outlives a lock of the store
 * for as long as one question to the index takes.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"

struct account;
struct secret;
struct store;

struct route {
	char *url; /* canonical index URL */
	char *name; /* the account's; NULL without one */
	char *api; /* as pinned; NULL: unpinned */
	char *dl;
	char *ca_pem;
	char *proxy;
	bool is_plain_http;
	bool is_closed; /* at login the index wanted a token for every read */
	/* For reads: that of `login --for read`, else the account's own if it is marked; else NULL. */
	struct secret *token;
	/* Or the account that signs them, without its key. */
	struct account *signer;
};

/* 0 and *ret (caller frees), -ENOENT, -ENOKEY (locked), -EBADMSG, -ENOMEM. */
int route_new(const struct store *store, const char *url, const char *name, struct route **ret);
/*
 * The same once an act is approved, whose token cargo will show the index as well:
 * where the index wants a token and there is none for reads, the account's own.
 */
int route_new_approved(
	const struct store *store, const char *url, const char *name, struct route **ret);
/* The index is asked as anybody may from now on. */
void route_drop_token(struct route *route);
/* Another one like it, with its token if it has one. 0 and *ret, or -ENOMEM. */
int route_copy(const struct route *route, struct route **ret);
/* As anybody may ask, without an account. 0 and *ret, or -ENOMEM. */
int route_new_plain(const char *url, struct route **ret);
struct route *route_free(struct route *route);
DEFINE_CLEANUP(struct route, route_free)
