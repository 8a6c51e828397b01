#pragma once

/*
 * What a login pins: the API origin to which the token belongs, and where
 * crates are downloaded. Built in for crates.io; else asked of the index
 * (worker-net, without a token), or given by the person.
 */

#include <stdbool.h>

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct pin;
struct request;

/* `detail` is borrowed and may be NULL. Never called from within pin_new. */
typedef void (*pin_done_t)(enum refusal refusal, const char *detail, void *userdata);

/*
 * Takes ca_pem, proxy, api and allow_http from the request, which has to
 * outlive the pin, as has `url` (canonical). 0 and *ret (caller frees), or a negative errno.
 */
int pin_new(struct agent *agent, const char *url, const struct request *request, pin_done_t done,
	void *userdata, struct pin **ret);
struct pin *pin_free(struct pin *pin);
DEFINE_CLEANUP(struct pin, pin_free)

/* After the callback; borrowed. `dl` is NULL where the index was not asked. */
const char *pin_api(const struct pin *pin);
const char *pin_dl(const struct pin *pin);
/* The API is on another host than the index, and nobody has named it. */
bool pin_is_elsewhere(const struct pin *pin);
