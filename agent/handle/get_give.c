/*
 * What leaves by `get`: the token, opened or signed, and last of all. Of a publish, what
 * follows from it: a grant for the same cargo run, and somebody who looks at the index.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/handle/get.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/prompt.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/witness.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

bool get_is_publish(const struct get *get) {
	return get->session->request->operation == OPERATION_PUBLISH;
}

int get_open_token(struct get *get, const char *name, struct account **ret) {
	struct session *session = get->session;
	int r = store_find(session->agent->store, session->url, name, true, ret);

	if (r < 0)
		get_undo(get, mandate_find_refusal(r), r == -ENOENT ? get->account : NULL);
	return r;
}

/* It claims what the operation is about and no more: what cargo's own does (paseto.rs). */
void get_sign(struct get *get, const struct account *account, signing_done_t done) {
	struct session *session = get->session;
	const struct request *request = session->request;
	enum operation operation = request->operation;
	const struct signing_ask ask = {
		.account = account,
		.index_url = request->index_url,
		.operation = operation,
		.crate = operation_has_crate(operation) ? request->crate : NULL,
		.version = operation_has_version(operation) ? request->version : NULL,
		.checksum = operation_has_checksum(operation) ? request->checksum : NULL,
		.challenge = request->challenge,
		.terminal = get->terminal >= 0 ? get->terminal : session->terminal,
	};
	int r = signing_new(session->agent, &ask, done, get, &get->signing);

	if (r < 0)
		get_undo(get,
			r == -EEXIST ? REFUSAL_CHALLENGE_REPEATED : refusal_from_errno(r), NULL);
}

/* Somebody looks whether what the index will list is what was approved. */
static void get_watch(const struct get *get) {
	const struct session *session = get->session;
	const struct request *request = session->request;
	int terminal = get->terminal >= 0 ? get->terminal : session->terminal;
	const struct release release = {
		.url = session->url,
		.account = get->account,
		.crate = request->crate,
		.version = request->version,
		.checksum = request->checksum,
	};

	if (get_is_publish(get) &&
		witness_new(session->agent, &release, &get->cargo, terminal) < 0)
		log_warning("nobody looks at what the index will list of '%s' '%s'",
			request->crate, request->version);
}

/* From now on this cargo run may publish more crates of the same release. */
static void get_grant(struct get *get) {
	struct session *session = get->session;
	const struct request *request = session->request;
	struct peer cargo = get->cargo;
	int r;

	if (!get_is_publish(get) || get->is_covered || cargo.pidfd < 0)
		return;
	get->cargo = PEER_NULL;
	r = grant_add(&session->agent->grants, session->agent->event, session->url, get->account,
		cargo, request->crate, request->version, session->terminal,
		agent_now_usec(session->agent));
	if (r < 0)
		log_warning("a grant was not kept, the next crate is asked for again");
}

/* Told on the terminal of the grant: an approval that nobody sees used is no approval. */
static void get_say(const struct get *get) {
	const struct request *request = get->session->request;
	_cleanup_(freep) char *text = NULL;

	if (asprintf(&text,
		    "cpub-agent: covered by your approval, releasing the token for %s %s\n",
		    request->crate, request->version) >= 0)
		prompt_say(get->session->agent, get->terminal, text);
}

void get_give(struct get *get, const struct secret *token) {
	struct session *session = get->session;

	if (get->is_covered)
		get_say(get);
	get_watch(get);
	get_grant(get);
	reply_token(session_answer(session, true), secret_peek(token), secret_size(token), false);
	session_send(session);
}
