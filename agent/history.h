#pragma once

/* What a sparse index lists of one crate. Asked by worker-net; never a reason to refuse. */

#include <stdbool.h>

#include "protocol/cleanup.h"

struct agent;
struct history;
struct route;

struct history_answer {
	bool is_known; /* the index answered */
	bool is_new;   /* and knows no such crate */
	char *last_version; /* NULL if none is listed */
	char *highest_version; /* by Semantic Versioning; NULL as well */
	char *checksum;	    /* of the version that was asked for; NULL if it is not listed */
};

/* `answer` is borrowed. May free the object as its last act. */
typedef void (*history_done_t)(const struct history_answer *answer, void *userdata);

/*
 * `version` may be NULL. Copies what it needs. Returns 0 and *ret (caller frees);
 * 1 where there is nothing to ask (a git index); or a negative errno.
 */
int history_new(struct agent *agent, const struct route *route, const char *crate,
	const char *version, history_done_t done, void *userdata, struct history **ret);
struct history *history_free(struct history *history);
DEFINE_CLEANUP(struct history, history_free)
