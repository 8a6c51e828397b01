#pragma once

/*
 * One connection to the agent for one request or many, in order. The terminal
 * is lent once, with the first request that may need a person, and put back at
 * the end.
 *
 * Nothing is said here: a failure comes back as what there is to say, so that a
 * verb with more behind it than one answer can say it in its own place.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/call.h"
#include "client/terminal.h"
#include "protocol/endpoint.h"
#include "protocol/refusal.h"

struct command;
struct request;
struct verb_answer;

/* How far a long request has come; a total of 0: not known. */
typedef void (*conversation_progress)(
	void *userdata, const char *stage, int64_t done, int64_t total);

struct conversation {
	const struct command *command;
	struct endpoint endpoint;
	struct call call;
	struct terminal terminal;
	/*
	 * A descriptor whose other end, when it closes, ends every wait; -1 for none. With one
	 * the signals are the caller's, without one they are guarded while the terminal is lent.
	 */
	int stop_fd;
	/* For requests that want progress; may be NULL. */
	conversation_progress on_progress;
	void *userdata;
	bool has_lent;
	/* The agent has answered here, so it is not just leaving when the connection ends. */
	bool was_answered;
};

/* What there is to say of a request that got no answer. Static texts, or of strerror. */
struct conversation_failure {
	enum refusal refusal; /* REFUSAL_NONE: a mistake of the command line */
	const char *message;  /* NULL: the refusal's own sentence */
	const char *detail;   /* or NULL */
	/* The line was sent, as a whole perhaps: what it asked for may have been done. */
	bool was_sent;
	/* stop_fd ended it. */
	bool was_stopped;
};

void conversation_init(struct conversation *conversation, const struct command *command);
void conversation_done(struct conversation *conversation);

/*
 * Sends one request, with `fd` (-1 for none) and, if `may_lend` and it has not been lent yet, the
 * terminal; starts the agent if need be; waits for the answer. Where the agent was just leaving, a
 * first request is sent once more.
 * Returns true and *ret (done with verb_answer_done), which may be a refusal; or false and
 * *ret_failure: then the connection is closed, and the conversation over.
 */
bool conversation_ask(struct conversation *conversation, const struct request *request,
	bool may_lend, int fd, struct verb_answer *ret, struct conversation_failure *ret_failure);
