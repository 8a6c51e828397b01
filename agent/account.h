#pragma once

/* One account at one registry, as it lies in a record of the store. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/cleanup.h"

struct fields;
struct keypair;
struct secret;

/*
 * Behind an account's name: its credential for reads alone, a record of its own.
 * No name that a person gives has a slash in it.
 */
#define ACCOUNT_FOR_READ "/read"

/* Of the record that it was read from: random, and another one each time that it is written. */
#define ACCOUNT_STAMP_SIZE 24

struct account {
	char *url;  /* canonical index URL */
	char *name; /* with ACCOUNT_FOR_READ at its end, or without */
	char *api;  /* pinned at login, canonical; NULL: unpinned, the index was not asked */
	char *dl;   /* pinned at login; NULL where the index was not asked */
	char *ca_pem;
	char *proxy;
	bool is_plain_http; /* made with --allow-http */
	bool is_closed;     /* at login the index wanted a token for every read */
	bool is_unconfirmed; /* no passphrase was given when CA and proxy were sealed */
	bool is_marked;     /* agreed at login: also cargo's reads get this token, while builds run */
	int64_t added;      /* Unix time */
	int64_t expires;    /* Unix time as the person told it; 0: not told */
	char *scope;        /* as told, for people; NULL: not told */
	char *crates;       /* as told */
	uint8_t stamp[ACCOUNT_STAMP_SIZE]; /* zeros: not read from a store */
	/* NULL unless it was asked for, and of an account that signs. */
	struct secret *token;

	/* Of an account that signs, which has no token: its key. Else NULL, as is all that follows. */
	struct keypair *key;
	struct keypair *next_key; /* made beside it, until it takes its place; or NULL */
	char *index;		  /* the index URL that its tokens say, as cargo would */
	char *subject;		  /* which they claim; or NULL */
	enum footer_key footer_key; /* how they call the id of the key */
};

struct account *account_new(const char *url, const char *name);
/* Another one like it, of the same record, without token and what is private. NULL without memory. */
struct account *account_copy(const struct account *account);
struct account *account_free(struct account *account);
DEFINE_CLEANUP(struct account, account_free)

/* "NAME/read" of "NAME". Caller frees; NULL without memory. */
char *account_read_name(const char *name);
/* Is this the credential for reads alone? */
bool account_is_for_read(const struct account *account);
/* How much of the name is what the person gave: for "%.*s". */
int account_given_size(const struct account *account);
/* Both were read from the same record, which nobody has written in between: token and all. */
bool account_is_same(const struct account *a, const struct account *b);
/* Its requests are signed, each for itself; it never sends a token that lasts. */
bool account_signs(const struct account *account);
/* Its token, or one that it signed, goes to whoever asks to read. */
bool account_is_readable(const struct account *account);

/* 0 and *ret (caller frees), or a negative errno. */
int account_write(const struct account *account, struct fields **ret);
/* -EBADMSG if something that must be there is not. `with_token`: also take token or keys out. */
int account_read(const struct fields *fields, bool with_token, struct account **ret);
