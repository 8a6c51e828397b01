#include "consignment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/log.h"
#include "agent/room.h"
#include "agent/route.h"
#include "agent/session.h"
#include "protocol/secret.h"

struct consignment {
	struct agent *agent;
	char *url;
	struct parcel **parcels;
	size_t n_parcels;
	struct account *account; /* once approved */
	struct route *route;	 /* of its index, since it was approved, without a token */
	uint64_t approved_usec, touched_usec;
	bool needs_verify;
};

struct parcel *parcel_new(void) {
	struct parcel *parcel = calloc(1, sizeof(*parcel));

	if (parcel)
		parcel->file = parcel->metadata = -1;
	return parcel;
}

enum refusal parcel_reserve(struct parcel *parcel, struct agent *agent, uint64_t size) {
	uint64_t available = room_available(), unwritten = agent->n_unwritten_bytes;

	if (available > UINT64_MAX / 4) {
		log_warning("nothing tells how much memory is free");
	} else {
		available -= unwritten < available ? unwritten : available;
		if (agent->n_sealed_bytes + size > (available + agent->n_sealed_bytes) / 2)
			return REFUSAL_NO_ROOM;
	}
	parcel->reserved_of = agent;
	parcel->n_reserved = size;
	agent->n_sealed_bytes += size;
	agent->n_unwritten_bytes += size;
	return REFUSAL_NONE;
}

void parcel_written(struct parcel *parcel) {
	if (parcel->reserved_of && !parcel->is_written)
		parcel->reserved_of->n_unwritten_bytes -= parcel->n_reserved;
	parcel->is_written = true;
}

struct parcel *parcel_free(struct parcel *parcel) {
	if (!parcel)
		return NULL;
	(void) fd_close(parcel->file);
	(void) fd_close(parcel->metadata);
	parcel_written(parcel);
	if (parcel->reserved_of)
		parcel->reserved_of->n_sealed_bytes -= parcel->n_reserved;
	free(parcel->crate);
	free(parcel->version);
	free(parcel->checksum);
	free(parcel->needs);
	free(parcel->warnings);
	free(parcel->last_version);
	free(parcel);
	return NULL;
}

int consignment_new(struct agent *agent, const char *url, struct consignment **ret) {
	struct consignment *consignment = calloc(1, sizeof(*consignment));

	if (!consignment)
		return -ENOMEM;
	consignment->agent = agent;
	consignment->url = strdup(url);
	if (!consignment->url) {
		free(consignment);
		return -ENOMEM;
	}
	*ret = consignment;
	return 0;
}

static void consignment_drop(struct consignment *consignment, size_t index) {
	struct parcel *parcel = consignment->parcels[index];

	consignment->agent->n_parcels--;
	parcel_free(parcel);
	consignment->parcels[index] = consignment->parcels[--consignment->n_parcels];
}

struct consignment *consignment_free(struct consignment *consignment) {
	if (!consignment)
		return NULL;
	while (consignment->n_parcels > 0)
		consignment_drop(consignment, consignment->n_parcels - 1);
	free(consignment->parcels);
	account_free(consignment->account);
	route_free(consignment->route);
	free(consignment->url);
	free(consignment);
	return NULL;
}

size_t consignment_places(void) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 8 > PARCELS_ALL_MAX)
		return PARCELS_ALL_MAX;
	return (size_t) limit.rlim_cur / 8;
}

/* Of another connection that waits for nothing of ours; the oldest stand last. */
static struct consignment **find_forgotten(const struct consignment *consignment) {
	struct consignment **oldest = NULL;

	for (struct session *s = consignment->agent->sessions; s; s = s->next) {
		if (s->consignment && s->consignment != consignment && !session_is_running(s) &&
			!consignment_account(s->consignment))
			oldest = &s->consignment;
	}
	return oldest;
}

enum refusal consignment_make_place(struct consignment *consignment) {
	const struct agent *agent = consignment->agent;

	if (consignment->n_parcels >= PARCELS_MAX)
		return REFUSAL_BUSY;
	while (agent->n_parcels >= consignment_places()) {
		struct consignment **forgotten = find_forgotten(consignment);

		if (!forgotten)
			return REFUSAL_BUSY;
		log_warning("%zu sealed crates that nobody has approved are dropped for others",
			(*forgotten)->n_parcels);
		*forgotten = consignment_free(*forgotten);
	}
	return REFUSAL_NONE;
}

int consignment_add(struct consignment *consignment, struct parcel *parcel) {
	struct parcel **parcels;

	consignment_lock(consignment);
	for (size_t i = 0; i < consignment->n_parcels; i++) {
		if (strcmp(consignment->parcels[i]->crate, parcel->crate) == 0) {
			consignment_drop(consignment, i);
			break;
		}
	}
	parcels = reallocarray(
		consignment->parcels, consignment->n_parcels + 1, sizeof(struct parcel *));
	if (!parcels) {
		parcel_free(parcel);
		return -ENOMEM;
	}
	consignment->parcels = parcels;
	consignment->parcels[consignment->n_parcels++] = parcel;
	consignment->agent->n_parcels++;
	consignment->touched_usec = agent_now_usec(consignment->agent);
	return 0;
}

const char *consignment_url(const struct consignment *consignment) {
	return consignment->url;
}

size_t consignment_n(const struct consignment *consignment) {
	return consignment->n_parcels;
}

struct parcel *consignment_at(const struct consignment *consignment, size_t index) {
	return consignment->parcels[index];
}

struct parcel *consignment_find(
	const struct consignment *consignment, const char *crate, const char *version) {
	for (size_t i = 0; i < consignment->n_parcels; i++) {
		struct parcel *parcel = consignment->parcels[i];

		if (strcmp(parcel->crate, crate) == 0 && strcmp(parcel->version, version) == 0)
			return parcel;
	}
	return NULL;
}

void consignment_renew(struct consignment *consignment) {
	consignment_lock(consignment);
	for (size_t i = 0; i < consignment->n_parcels; i++) {
		struct parcel *parcel = consignment->parcels[i];

		parcel->is_asked = parcel->is_first = parcel->is_listed = false;
		free(parcel->last_version);
		parcel->last_version = NULL;
	}
}

/* Without it, which only a want of memory can be, the index is not asked afterwards. */
static void consignment_take_route(struct consignment *consignment) {
	consignment->route = route_free(consignment->route);
	if (route_new(consignment->agent->store, consignment->url, consignment->account->name,
		    &consignment->route) == 0)
		route_drop_token(consignment->route);
}

void consignment_approve(
	struct consignment *consignment, struct account *account, bool needs_verify) {
	account_free(consignment->account);
	consignment->account = account;
	consignment->approved_usec = agent_now_usec(consignment->agent);
	consignment->needs_verify = needs_verify;
	consignment_take_route(consignment);
	for (size_t i = 0; i < consignment->n_parcels; i++) {
		struct parcel *parcel = consignment->parcels[i];

		if (parcel->is_refused)
			parcel->is_sent = parcel->is_refused = false;
	}
}

const struct account *consignment_account(const struct consignment *consignment) {
	uint64_t now = agent_now_usec(consignment->agent);

	return now - consignment->approved_usec < APPROVAL_USEC ? consignment->account : NULL;
}

bool consignment_needs_verify(const struct consignment *consignment) {
	return consignment->needs_verify;
}

void consignment_lock(struct consignment *consignment) {
	consignment->account = account_free(consignment->account);
}

int consignment_route(const struct consignment *consignment, struct route **ret) {
	const struct account *account = consignment_account(consignment);

	if (!consignment->route)
		return -ENOENT;
	if (account && route_new(consignment->agent->store, consignment->url, account->name, ret) == 0)
		return 0;
	return route_copy(consignment->route, ret);
}

bool consignment_is_alive(const struct consignment *consignment) {
	uint64_t now = agent_now_usec(consignment->agent);

	return now - consignment->touched_usec < APPROVAL_USEC || consignment_account(consignment);
}
