#pragma once

/* One account at one registry, as it lies in a record of the store. */

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cleanup.h"

struct fields;
struct secret;

#define ACCOUNT_DEFAULT "default"

struct account {
	char *url;  /* canonical index URL */
	char *name;
	char *api; /* pinned at login, canonical */
	char *dl;  /* pinned at login; NULL where the index was not asked */
	char *ca_pem;
	char *proxy;
	bool is_plain_http; /* made with --allow-http */
	int64_t added;      /* Unix time */
	/* NULL unless it was asked for. */
	struct secret *token;
};

struct account *account_new(const char *url, const char *name);
struct account *account_free(struct account *account);
DEFINE_CLEANUP(struct account, account_free)

/* 0 and *ret (caller frees), or a negative errno. */
int account_write(const struct account *account, struct fields **ret);
/* -EBADMSG if something that must be there is not. `with_token`: also take the token out. */
int account_read(const struct fields *fields, bool with_token, struct account **ret);
