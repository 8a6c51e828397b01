#pragma once

/*
 * One request of worker-net, by whom it is asked: by nobody, by a token, or by an account that
 * signs it first. That may take two: a registry can answer with a challenge, which is signed
 * as well, once. Each answer's time is taken down (clock.h).
 *
 *   [signing] → worker-net [→ a challenge → signing → worker-net] → done
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/job.h"
#include "protocol/cleanup.h"
#include "protocol/kind.h"

struct account;
struct agent;
struct keypair;
struct net_job;
struct secret;

/* All but the task is borrowed during net_job_new only. */
struct net_ask {
	struct fields *task; /* taken over in any case; all of it but the token */
	/*
	 * Canonical index URL of the registry, and the account by whose way it is asked, if that way is
	 * sealed with it: then the answer's time counts. NULL: it does not, anybody may have named it.
	 */
	const char *url;
	const char *account;
	bool is_to_api; /* and not to the index, which may lie elsewhere */
	const struct secret *token; /* goes along as it is; or NULL */
	const struct account *signer; /* signs; or NULL */
	const struct keypair *key; /* see signing.h, and so for what is claimed: */
	enum operation operation;
	const char *crate;
	const char *version;
	const char *checksum;
	int terminal;
	const int *fds; /* not a client's */
	size_t n_fds;
	uint64_t deadline_usec; /* of worker-net alone */
	uint64_t whole_usec;	/* as in job_allow_progress; 0: no progress is allowed */
	job_progress_t progress; /* or NULL */
	/*
	 * Asked each time before a request leaves, also from within net_job_new: false, and it does not,
	 * which is then -ECANCELED, or REFUSAL_DENIED. Or NULL.
	 */
	bool (*leaves)(void *userdata);
};

#define NET_ASK_NULL ((struct net_ask){.operation = OPERATION_READ, .terminal = -1})

/*
 * As job_new; `userdata` is also that of `progress`. 0 and *ret (caller frees), or a negative
 * errno, and then there is no callback.
 */
int net_job_new(struct agent *agent, struct net_ask *ask, job_done_t done, void *userdata,
	struct net_job **ret);
/* Has a worker begun a request whose answer is not known? Before that nothing has left. */
bool net_job_may_have_sent(const struct net_job *job);
struct net_job *net_job_free(struct net_job *job);
DEFINE_CLEANUP(struct net_job, net_job_free)
