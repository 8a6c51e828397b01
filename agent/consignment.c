#include "consignment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/log.h"

struct consignment {
	struct agent *agent;
	char *url;
	struct parcel **parcels;
	size_t n_parcels;
	struct account *account; /* once approved */
	uint64_t approved_usec;
	bool needs_verify;
};

struct parcel *parcel_new(void) {
	struct parcel *parcel = calloc(1, sizeof(*parcel));

	if (parcel)
		parcel->file = parcel->metadata = -1;
	return parcel;
}

struct parcel *parcel_free(struct parcel *parcel) {
	if (!parcel)
		return NULL;
	(void) fd_close(parcel->file);
	(void) fd_close(parcel->metadata);
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
	free(consignment->url);
	free(consignment);
	return NULL;
}

/* What the kernel could give without swapping (proc(5), MemAvailable); 0 if it does not say. */
static uint64_t available_bytes(void) {
	unsigned long long kib = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	(void) fclose(file);
	return kib * 1024;
}

/*
 * Half of what is free, for the client has a copy of its own in the page cache, and the
 * build needs some. A file of this size costs it once: no process has it in its own memory.
 */
enum refusal consignment_make_room(const struct consignment *consignment, uint64_t *size_max) {
	struct agent *agent = consignment->agent;
	uint64_t available = available_bytes(), reserved = agent->n_reserved_bytes;

	if (consignment->n_parcels >= PARCELS_MAX ||
		agent->n_parcels >= PARCELS_ALL_MAX)
		return REFUSAL_BUSY;
	if (available == 0)
		log_warning("/proc/meminfo does not tell how much memory is free");
	else if (available / 2 <= reserved)
		return REFUSAL_NO_ROOM;
	else if (available / 2 - reserved < *size_max)
		*size_max = available / 2 - reserved;
	agent->n_reserved_bytes += *size_max;
	return REFUSAL_NONE;
}

void consignment_give_back(const struct consignment *consignment, uint64_t size) {
	consignment->agent->n_reserved_bytes -= size;
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

void consignment_approve(
	struct consignment *consignment, struct account *account, bool needs_verify) {
	account_free(consignment->account);
	consignment->account = account;
	consignment->approved_usec = agent_now_usec(consignment->agent);
	consignment->needs_verify = needs_verify;
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
