#pragma once

/* What the core sends worker-net for. */

#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/refusal.h"

struct secret;

/* A task's texts, owned; NULL for those that were not given. */
struct net_task {
	enum errand errand;
	struct secret *token;
	char *url;
	char *ca_pem;
	char *proxy;
	char *crate;
	char *version;
	uint64_t timeout_msec;
};

#define NET_TASK_NULL ((struct net_task){0})

/* Fills *task, which is ended by net_task_done in any case. 0 or a negative errno. */
int net_task_read(const struct fields *fields, struct net_task *task);
void net_task_done(struct net_task *task);

/*
 * The core has decided about all of it; this looks again, because the request that
 * would betray a mistake there is made here.
 */
enum refusal net_task_check(const struct net_task *task);
