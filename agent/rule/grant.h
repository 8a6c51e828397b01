#pragma once

/*
 * Once a release: an approved publish covers further `publish` requests for
 * the same account from the same cargo process for GRANT_USEC, each crate and
 * version once. Asking again for the same one ends the grant.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/peer.h"

struct grant;

#define GRANT_USEC ((uint64_t) 10 * 60 * 1000000)

enum grant_answer {
	GRANT_NONE,     /* ask the person */
	GRANT_COVERED,  /* and now used up for this crate and version */
	GRANT_REPEATED, /* ended; refuse and raise the alarm */
};

/*
 * Takes `cargo` over in any case; `terminal` (or -1) is duplicated. The grant
 * ends with that process, at once: a terminal that we kept would keep whoever
 * waits for its end waiting. 0 or a negative errno.
 */
int grant_add(struct grant **grants, sd_event *event, const char *url, const char *account,
	struct peer cargo, const char *crate, const char *version, int terminal,
	uint64_t now_usec);

/*
 * Looks for a grant and uses it. On GRANT_COVERED and GRANT_REPEATED
 * *ret_terminal is a descriptor that the caller closes, or -1.
 */
enum grant_answer grant_use(struct grant **grants, const char *url, const char *account,
	const struct peer *cargo, const char *crate, const char *version, uint64_t now_usec,
	int *ret_terminal);

/* What grant_use covered did not happen after all: it may be asked for again. */
void grant_take_back(struct grant **grants, const char *url, const char *account,
	const struct peer *cargo, const char *crate, const char *version);

/* Drops those that are over; tells how many are open. */
unsigned grant_count(struct grant **grants, uint64_t now_usec);
void grant_drop_all(struct grant **grants);
