#pragma once

/*
 * One connection. See session.c for its states. Handlers read the public
 * part and end their request by exactly one session_refuse or session_send.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/peer.h"
#include "agent/waiting.h"
#include "protocol/cleanup.h"
#include "protocol/json.h"
#include "protocol/refusal.h"

struct agent;
struct consignment;
struct parked;
struct request;

enum session_state {
	SESSION_READING,
	SESSION_RUNNING,
	SESSION_WRITING,
	SESSION_CLOSED,
};

struct session {
	/* For handlers. */
	struct agent *agent;
	struct peer peer;
	struct request *request; /* while RUNNING */
	char *url;               /* canonical, set by the kind's check */
	int terminal;            /* lent for the whole connection; -1 without */
	struct parked *pipe;     /* lent with this request; NULL without */
	struct parked *file;     /* the same; never read here, only given to a worker */
	/* Crates that wait to be published by this connection; NULL without. */
	struct consignment *consignment;
	/* Wrong passphrases in a row on this connection, and when the next one may be tried. */
	unsigned n_wrong;
	uint64_t may_try_usec;

	/* For session.c and the agent's lists. */
	enum session_state state;
	struct session *next, **link;
	int fd;
	sd_event_source *io, *turn, *deadline;
	/* Received and not taken yet: less than one request. */
	struct waiting waiting;
	struct json_writer answer;
	size_t n_sent;
	bool is_in_turn, is_last_answer, is_held, is_left;
	void *operation;
	void (*operation_free)(void *operation);
};

/* Greets and begins to read. Takes `fd` and `peer` over in any case. The agent owns the session. */
int session_new(struct agent *agent, int fd, struct peer peer);
struct session *session_free(struct session *session);

/* The state of a request that takes more than one step; freed with the request. Replaces another. */
void session_set_operation(struct session *session, void *operation, void (*free)(void *));

/* Ends the request with a refusal. `detail` may be NULL and is copied. */
void session_refuse(struct session *session, enum refusal refusal, const char *detail);
/* The same for a negative errno that nobody foresaw; logs it. */
void session_fail(struct session *session, int error, const char *what);

/*
 * From here on the request is not cancelled, neither by a lock nor because the
 * peer leaves: something is being written, and what became of it is recorded.
 */
void session_hold(struct session *session);

/* Of one that is held: the peer has left, and nothing more is to be begun for it. */
bool session_is_left(const struct session *session);

/* Begins an answer; write it, then session_send. */
struct json_writer *session_answer(struct session *session, bool is_secret);
void session_send(struct session *session);

/*
 * A line of progress before the answer, if the request wants them and the peer has
 * taken all that came before; else it is passed over.
 */
void session_progress(struct session *session, const char *stage, uint64_t done, uint64_t total);

/* Drops an answer with a secret that the peer has not taken yet, and the connection with it. */
void session_drop_secret(struct session *session);

/* Is a request under way? */
bool session_is_running(const struct session *session);
