#pragma once

/*
 * What a login pins: the API origin to which the token belongs, and where
 * crates are downloaded. Built in for crates.io; else asked of the index
 * (worker-net, with a token only where the index wants one), or given by the person.
 */

#include <stdbool.h>
#include <stdint.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

/* Where crates.io's API is, for good. */
#define CRATES_IO_API "https://crates.io"

struct account;
struct agent;
struct keypair;
struct pin;
struct secret;

/* How to ask. Texts are borrowed during pin_new only. */
struct pin_ask {
	const char *api; /* as the person named it, raw; NULL: not named */
	const char *ca_pem;
	const char *proxy;
	bool allow_http;
	bool no_check;	  /* do not ask the index: what is not built in or named stays open */
	bool ask_built_in; /* ask crates.io's index as well */
	const struct secret *token; /* for an index that wants one; NULL without */
	const struct account *signer; /* instead of a token; see net_job.h */
	const struct keypair *key;    /* as well */
	const char *account; /* by whose sealed way; see net_job.h */
	uint64_t timeout_usec;	    /* 0: as at a login */
};

/*
 * `detail` is borrowed and may be NULL; with REFUSAL_AUTH_REQUIRED it is where a
 * token can be had, if the index says so. Never called from within pin_new.
 */
typedef void (*pin_done_t)(enum refusal refusal, const char *detail, void *userdata);

/* `url` is canonical. 0 and *ret (caller frees), -EINVAL for an odd `api`, or a negative errno. */
int pin_new(struct agent *agent, const char *url, const struct pin_ask *ask, pin_done_t done,
	void *userdata, struct pin **ret);
struct pin *pin_free(struct pin *pin);
DEFINE_CLEANUP(struct pin, pin_free)

/* After the callback; borrowed. NULL where the index did not tell (`api`: nor was it named). */
const char *pin_api(const struct pin *pin);
const char *pin_dl(const struct pin *pin);
/* The API is on another host than the index, and nobody has named it. */
bool pin_is_elsewhere(const struct pin *pin);
/* The time by the index's clock, Unix; 0 where it did not tell. */
int64_t pin_date(const struct pin *pin);
/* The index wants a token for every read. */
bool pin_is_auth_required(const struct pin *pin);
