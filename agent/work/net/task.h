#pragma once

/* What the core sends worker-net for. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/refusal.h"

struct secret;

/* The files of a publish. */
enum { NET_METADATA, NET_CRATE, NET_N_FILES };

/* A task's texts, owned; NULL for those that were not given. */
struct net_task {
	enum errand errand;
	struct secret *token;
	char *url;
	char *ca_pem;
	char *proxy;
	char *crate;
	char *version;
	char *users; /* a login each line */
	uint64_t timeout_msec;
	uint64_t idle_msec;
	int fds[NET_N_FILES]; /* of a publish; borrowed */
	uint32_t sizes[NET_N_FILES];
};

#define NET_TASK_NULL ((struct net_task){0})

/* Fills *task, which is ended by net_task_done in any case. 0 or a negative errno. */
int net_task_read(const struct fields *fields, const int *fds, size_t n_fds, struct net_task *task);
void net_task_done(struct net_task *task);

/*
 * The core has decided about all of it; this looks again, because the request that
 * would betray a mistake there is made here.
 */
enum refusal net_task_check(const struct net_task *task, char **ret_detail);

/* Is it one for the API, with FIELD_OUTCOME in its answer? */
bool net_task_is_act(const struct net_task *task);
/* The token has the form of those that crates.io gives out for Trusted Publishing. */
bool net_task_has_trusted_token(const struct net_task *task);
