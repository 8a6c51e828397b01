/*
 *   WAITING --timer--> ASKING --not listed yet--> WAITING … --over--> logged, freed
 *                        |
 *                        +--listed--> the same: written down, freed
 *                                     another: alarm, written down, freed
 *
 * The route is taken anew for each question, so that no token for reads is kept
 * between them; while the store is locked the index is asked without one.
 */

#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/alarm.h"
#include "agent/audit.h"
#include "agent/history.h"
#include "agent/log.h"
#include "agent/route.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/secret.h"

struct witness {
	struct witness *next, **link;
	struct agent *agent;
	char *url, *account, *crate, *version, *checksum;
	/* As it was at the release; its token is dropped at once. */
	struct route *route;
	int pidfd; /* of cargo; -1 when it has ended */
	int terminal;
	sd_event_source *cargo_end;
	sd_event_source *timer;
	size_t n_looks;
	struct history *history;
};

/* Seconds from one look to the next. cargo waits for the index for a minute (cargo, publish). */
static const unsigned pauses[] = {1, 1, 2, 3, 5, 8, 10, 15, 15, 60, 60, 120, 300};
#define N_PAUSES (sizeof(pauses) / sizeof(pauses[0]))

struct witness *witness_free(struct witness *witness) {
	if (!witness)
		return NULL;
	if (witness->link) {
		*witness->link = witness->next;
		if (witness->next)
			witness->next->link = witness->link;
		witness->agent->n_witnesses--;
	}
	history_free(witness->history);
	route_free(witness->route);
	sd_event_source_disable_unref(witness->cargo_end);
	sd_event_source_disable_unref(witness->timer);
	(void) fd_close(witness->pidfd);
	(void) fd_close(witness->terminal);
	free(witness->url);
	free(witness->account);
	free(witness->crate);
	free(witness->version);
	free(witness->checksum);
	free(witness);
	return NULL;
}

static void witness_write(const struct witness *witness, const char *listed, enum refusal refusal) {
	const struct audit_entry entry = {
		.op = "published",
		.url = witness->url,
		.account = witness->account,
		.crate = witness->crate,
		.version = witness->version,
		.checksum = listed,
		.refusal = refusal,
	};

	if (audit_write(witness->agent->audit, &entry) < 0)
		log_warning("what the index lists could not be written to the audit log");
}

static void witness_saw(struct witness *witness, const char *listed) {
	bool is_same = strcmp(listed, witness->checksum) == 0;

	witness_write(witness, listed, is_same ? REFUSAL_NONE : REFUSAL_CHECKSUM_DIFFERS);
	if (!is_same)
		alarm_raise(witness->agent, witness->terminal, REFUSAL_CHECKSUM_DIFFERS, witness->url,
			witness->crate, witness->version);
}

static int witness_wait(struct witness *witness);

static void witness_answered(const struct history_answer *answer, void *userdata) {
	struct witness *witness = userdata;

	if (answer->checksum) {
		witness_saw(witness, answer->checksum);
		witness_free(witness);
		return;
	}
	witness->history = history_free(witness->history);
	if (witness_wait(witness) < 0)
		witness_free(witness);
}

/* The route as it is now, or without a token the one that was. */
static int witness_look(struct witness *witness) {
	_cleanup_(route_freep) struct route *route = NULL;
	const struct store *store = witness->agent->store;

	(void) route_new(store, witness->url, witness->account, &route); /* Locked, or logged out. */
	return history_new(witness->agent, route ? route : witness->route, witness->crate,
		witness->version, witness_answered, witness, &witness->history);
}

static int witness_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct witness *witness = userdata;

	(void) source;
	(void) usec;
	/* Too much at once: the next look is another chance. */
	if (witness_look(witness) != 0 && witness_wait(witness) < 0)
		witness_free(witness);
	return 0;
}

/* -ETIME when all looks are over. */
static int witness_wait(struct witness *witness) {
	uint64_t when;
	int r;

	if (witness->n_looks == N_PAUSES) {
		log_warning("'%s' '%s' was released and has not been seen in the index since",
			witness->crate, witness->version);
		return -ETIME;
	}
	when = agent_now_usec(witness->agent) + pauses[witness->n_looks++] * USEC_PER_SEC;
	if (!witness->timer)
		return sd_event_add_time(witness->agent->event, &witness->timer, CLOCK_BOOTTIME, when,
			USEC_PER_MSEC, witness_on_timer, witness);
	r = sd_event_source_set_time(witness->timer, when);
	return r < 0 ? r : sd_event_source_set_enabled(witness->timer, SD_EVENT_ONESHOT);
}

/* Who waits for the end of the terminal must not wait for us. */
static int witness_on_cargo_end(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	struct witness *witness = userdata;

	(void) source;
	(void) fd;
	(void) revents;
	witness->cargo_end = sd_event_source_disable_unref(witness->cargo_end);
	witness->pidfd = fd_close(witness->pidfd);
	witness->terminal = fd_close(witness->terminal);
	return 0;
}

/* Keeps the terminal as long as cargo runs; without a pidfd nobody would tell of its end. */
static int witness_take_terminal(struct witness *witness, const struct peer *cargo, int terminal) {
	if (terminal < 0 || cargo->pidfd < 0)
		return 0;
	witness->pidfd = fcntl(cargo->pidfd, F_DUPFD_CLOEXEC, 3);
	witness->terminal = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
	if (witness->pidfd < 0 || witness->terminal < 0)
		return -errno;
	return sd_event_add_io(witness->agent->event, &witness->cargo_end, witness->pidfd, EPOLLIN,
		witness_on_cargo_end, witness);
}

static int witness_fill(struct witness *witness, const struct release *release) {
	int r;

	witness->url = strdup(release->url);
	witness->account = strdup(release->account);
	witness->crate = strdup(release->crate);
	witness->version = strdup(release->version);
	witness->checksum = strdup(release->checksum);
	if (!witness->url || !witness->account || !witness->crate || !witness->version ||
		!witness->checksum)
		return -ENOMEM;
	r = route_new(witness->agent->store, witness->url, witness->account, &witness->route);
	if (r < 0)
		return r;
	route_drop_token(witness->route);
	return 0;
}

void witness_lock_all(struct agent *agent) {
	struct witness *next;

	for (struct witness *witness = agent->witnesses; witness; witness = next) {
		next = witness->next;
		if (!witness->history)
			continue;
		witness->history = history_free(witness->history);
		if (witness_wait(witness) < 0)
			witness_free(witness);
	}
}

int witness_new(struct agent *agent, const struct release *release, const struct peer *cargo,
	int terminal) {
	_cleanup_(witness_freep) struct witness *witness = NULL;
	int r;

	if (!registry_url_sparse_root(release->url))
		return 0;
	if (agent->n_witnesses >= WITNESSES_MAX)
		return -EBUSY;
	witness = calloc(1, sizeof(*witness));
	if (!witness)
		return -ENOMEM;
	witness->agent = agent;
	witness->pidfd = witness->terminal = -1;
	r = witness_fill(witness, release);
	if (r == 0)
		r = witness_take_terminal(witness, cargo, terminal);
	if (r == 0)
		r = witness_wait(witness);
	if (r < 0)
		return r;
	witness->next = agent->witnesses;
	witness->link = &agent->witnesses;
	if (witness->next)
		witness->next->link = &witness->next;
	agent->witnesses = witness;
	agent->n_witnesses++;
	(void) TAKE_PTR(witness);
	return 0;
}
