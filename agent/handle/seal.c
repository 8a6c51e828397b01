/*
 * `seal` and `verify`: a crate file that the client lends.
 *
 *   seal:   worker-seal → worker-inspect → one more parcel of this connection
 *   verify: worker-seal → the same checksum: verified; else worker-inspect, to know which
 *           crate it is, and once more, to say which of its files differ
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/audit.h"
#include "agent/consignment.h"
#include "agent/deed.h"
#include "agent/handle/handle.h"
#include "agent/log.h"
#include "agent/sealing.h"
#include "agent/session.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* Without being told so nothing larger is taken: crates.io's own limit, and a large one elsewhere. */
#define CRATES_IO_SIZE_MAX ((uint64_t) 10 * 1024 * 1024)
#define SIZE_MAX_DEFAULT ((uint64_t) 512 * 1024 * 1024)

struct lend {
	struct session *session;
	struct sealing *sealing;
	struct parcel *built; /* of `verify`, while it is compared */
};

static void lend_free(void *operation) {
	struct lend *lend = operation;

	sealing_free(lend->sealing);
	parcel_free(lend->built);
	free(lend);
}

static struct lend *lend_begin(struct session *session) {
	struct lend *lend = calloc(1, sizeof(*lend));

	if (!lend) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return NULL;
	}
	lend->session = session;
	session_set_operation(session, lend, lend_free);
	return lend;
}

static void write_parcel(struct json_writer *writer, const struct parcel *parcel) {
	json_write_string(writer, "name", parcel->crate);
	json_write_string(writer, "vers", parcel->version);
	json_write_string(writer, "cksum", parcel->checksum);
	json_write_integer(writer, "size", (int64_t) parcel->size);
	json_write_integer(writer, "unpacked", (int64_t) parcel->unpacked);
	json_write_integer(writer, "entries", (int64_t) parcel->n_entries);
	deed_write_lines(writer, "warnings", parcel->warnings);
	deed_write_lines(writer, "needs", parcel->needs);
}

static void seal_inspected(
	enum refusal refusal, const char *detail, struct parcel *parcel, void *userdata) {
	struct lend *lend = userdata;
	struct session *session = lend->session;
	struct json_writer *writer;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, detail);
		return;
	}
	if (consignment_add(session->consignment, parcel) < 0) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	writer = session_answer(session, false);
	reply_ok_begin(writer, KIND_SEAL);
	write_parcel(writer, parcel);
	reply_ok_end(writer);
	session_send(session);
}

static void seal_sealed(
	enum refusal refusal, const char *detail, struct parcel *parcel, void *userdata) {
	struct lend *lend = userdata;
	struct session *session = lend->session;

	lend->sealing = sealing_free(lend->sealing);
	if (refusal == REFUSAL_NONE)
		refusal = sealing_inspect(session->agent, consignment_url(session->consignment),
			parcel, seal_inspected, lend, &lend->sealing);
	if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal, detail);
}

static uint64_t size_max_of(const struct session *session) {
	uint64_t told = (uint64_t) session->request->size_max;

	if (told > 0)
		return told;
	return registry_url_is_crates_io(consignment_url(session->consignment))
		       ? CRATES_IO_SIZE_MAX
		       : SIZE_MAX_DEFAULT;
}

static void seal_start(struct lend *lend, uint64_t size_max, sealing_done_t done) {
	struct session *session = lend->session;
	enum refusal refusal = sealing_new(
		session->agent, session->file, size_max, done, lend, &lend->sealing);

	if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal, NULL);
}

/* One connection publishes at one registry: for another one it begins anew. */
static enum refusal seal_prepare(struct session *session) {
	int r;

	if (!session->file)
		return REFUSAL_BAD_DESCRIPTOR;
	if (registry_url_canonical(session->request->index_url, &session->url) < 0)
		return REFUSAL_BAD_URL;
	if (session->consignment && strcmp(consignment_url(session->consignment), session->url) != 0)
		session->consignment = consignment_free(session->consignment);
	if (!session->consignment) {
		r = consignment_new(session->agent, session->url, &session->consignment);
		if (r < 0)
			return refusal_from_errno(r);
	}
	/* Also if nothing comes of it: what was approved is no longer what is meant. */
	consignment_lock(session->consignment);
	return consignment_make_place(session->consignment);
}

void seal_handle(struct session *session) {
	enum refusal refusal = seal_prepare(session);
	struct lend *lend;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, NULL);
		return;
	}
	lend = lend_begin(session);
	if (lend)
		seal_start(lend, size_max_of(session), seal_sealed);
}

static void verify_answer(struct session *session, struct parcel *parcel) {
	struct json_writer *writer = session_answer(session, false);

	parcel->is_verified = true;
	reply_ok_begin(writer, KIND_VERIFY);
	json_write_string(writer, "name", parcel->crate);
	json_write_string(writer, "vers", parcel->version);
	json_write_bool(writer, "same", true);
	reply_ok_end(writer);
	session_send(session);
}

/* Written down: somebody may have tried to have other bytes published than were approved. */
static void verify_differs(struct session *session, const struct parcel *parcel, const char *detail) {
	const struct audit_entry entry = {
		.op = "verify",
		.url = consignment_url(session->consignment),
		.crate = parcel ? parcel->crate : NULL,
		.version = parcel ? parcel->version : NULL,
		.checksum = parcel ? parcel->checksum : NULL,
		.refusal = REFUSAL_CRATE_DIFFERS,
		.peer = &session->peer,
	};

	if (audit_write(session->agent->audit, &entry) < 0)
		log_warning("a crate that differs could not be written to the audit log");
	consignment_lock(session->consignment);
	session_refuse(session, REFUSAL_CRATE_DIFFERS, detail);
}

static void verify_compared(
	enum refusal refusal, const char *detail, struct parcel *parcel, void *userdata) {
	struct lend *lend = userdata;
	struct session *session = lend->session;

	(void) parcel;
	if (refusal == REFUSAL_CRATE_DIFFERS)
		verify_differs(session,
			consignment_find(session->consignment, lend->built->crate,
				lend->built->version),
			detail);
	else
		session_refuse(session, refusal, detail);
}

static void verify_inspected(
	enum refusal refusal, const char *detail, struct parcel *parcel, void *userdata) {
	struct lend *lend = userdata;
	struct session *session = lend->session;
	const struct parcel *sealed;

	lend->sealing = sealing_free(lend->sealing);
	/* Only the file itself can be another one; a worker that died tells nothing of it. */
	if (refusal == REFUSAL_CRATE_INVALID || refusal == REFUSAL_CRATE_INCOMPLETE) {
		verify_differs(session, NULL, detail);
		return;
	}
	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, detail);
		return;
	}
	lend->built = parcel;
	sealed = consignment_find(session->consignment, parcel->crate, parcel->version);
	if (!sealed) {
		verify_differs(session, NULL, "it is another crate, or another version");
		return;
	}
	refusal = sealing_compare(session->agent, sealed, parcel, verify_compared, lend,
		&lend->sealing);
	if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal, NULL);
}

static struct parcel *find_same(const struct consignment *consignment, const char *checksum) {
	for (size_t i = 0; i < consignment_n(consignment); i++) {
		struct parcel *parcel = consignment_at(consignment, i);

		if (strcmp(parcel->checksum, checksum) == 0)
			return parcel;
	}
	return NULL;
}

static void verify_sealed(
	enum refusal refusal, const char *detail, struct parcel *parcel, void *userdata) {
	_cleanup_(parcel_freep) struct parcel *built = parcel;
	struct lend *lend = userdata;
	struct session *session = lend->session;
	struct parcel *same;

	lend->sealing = sealing_free(lend->sealing);
	if (refusal == REFUSAL_NONE) {
		same = find_same(session->consignment, built->checksum);
		if (same) {
			verify_answer(session, same);
			return;
		}
		refusal = sealing_inspect(session->agent, consignment_url(session->consignment),
			TAKE_PTR(built), verify_inspected, lend, &lend->sealing);
	}
	if (refusal == REFUSAL_CRATE_TOO_LARGE)
		verify_differs(session, NULL, detail);
	else if (refusal != REFUSAL_NONE)
		session_refuse(session, refusal, detail);
}

/* No more than the largest that is there: a longer one is another one. */
static uint64_t largest_size(const struct consignment *consignment) {
	uint64_t largest = 1;

	for (size_t i = 0; i < consignment_n(consignment); i++) {
		const struct parcel *parcel = consignment_at(consignment, i);

		if (parcel->size > largest)
			largest = parcel->size;
	}
	/* Some more, so that what differs a little can be compared. */
	return largest + largest / 4 + 65536;
}

void verify_handle(struct session *session) {
	struct lend *lend;

	if (!session->file) {
		session_refuse(session, REFUSAL_BAD_DESCRIPTOR, NULL);
		return;
	}
	if (!session->consignment || consignment_n(session->consignment) == 0) {
		session_refuse(session, REFUSAL_NOT_SEALED, NULL);
		return;
	}
	lend = lend_begin(session);
	if (lend)
		seal_start(lend, largest_size(session->consignment), verify_sealed);
}
