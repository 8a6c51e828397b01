/*
 * `yank` and `unyank`: one approval for all that the request names, then one request
 * after the other. What became of each is told, also where an earlier one failed.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/deed.h"
#include "agent/handle/act.h"
#include "agent/handle/act_text.h"
#include "agent/handle/handle.h"
#include "agent/mandate.h"
#include "agent/session.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"

struct yank {
	struct session *session;
	const char *name;
	char *text;
	struct mandate *mandate;
	struct deed *deed;
	size_t n_done;
	struct json_writer *writer; /* the session's answer, from the first result on */
};

static void yank_free(void *operation) {
	struct yank *yank = operation;

	mandate_free(yank->mandate);
	deed_free(yank->deed);
	free(yank->text);
	free(yank);
}

static bool is_yank(const struct session *session) {
	return session->request->kind == KIND_YANK;
}

static int yank_text(const struct session *session, const char *name, char **ret) {
	const struct request *request = session->request;
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return -ENOMEM;
	act_text_begin(out, session, is_yank(session) ? "yank" : "un-yank", name);
	for (size_t i = 0; i < request->n_releases; i++)
		fprintf(out, "  crate     %s %s\n", request->releases[i].crate,
			request->releases[i].version);
	act_text_end(out, session);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static void write_result_begin(struct yank *yank) {
	const struct request_release *release = &yank->session->request->releases[yank->n_done++];

	json_write_object(yank->writer, NULL);
	json_write_string(yank->writer, "name", release->crate);
	json_write_string(yank->writer, "vers", release->version);
}

static void yank_next(struct yank *yank);

static void yank_done(const struct deed_result *result, void *userdata) {
	struct yank *yank = userdata;

	write_result_begin(yank);
	deed_write(yank->writer, result);
	json_write_object_end(yank->writer);
	yank->deed = deed_free(yank->deed);
	yank_next(yank);
}

/* 0: it will call back. */
static enum refusal yank_start(struct yank *yank) {
	_cleanup_(account_freep) struct account *account = NULL;
	struct session *session = yank->session;
	const struct request_release *release = &session->request->releases[yank->n_done];
	struct deed_ask ask = {
		.errand = is_yank(session) ? ERRAND_YANK : ERRAND_UNYANK,
		.op = is_yank(session) ? "yank" : "unyank",
		.crate = release->crate,
		.version = release->version,
		.terminal = session->terminal,
		.session = session,
	};
	enum refusal refusal = mandate_use(yank->mandate, true, &account);
	int r;

	if (refusal != REFUSAL_NONE)
		return refusal;
	ask.account = account;
	r = deed_new(session->agent, &session->peer, &ask, NULL, yank_done, yank, &yank->deed);
	if (r == -EACCES)
		return REFUSAL_AUDIT_FAILED;
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

/* The next one, or the end. Those that cannot be begun are told as well. */
static void yank_next(struct yank *yank) {
	struct session *session = yank->session;

	while (yank->n_done < session->request->n_releases) {
		/* Whoever presses ^C means those that are not sent yet. */
		enum refusal refusal =
			session_is_left(session) ? REFUSAL_DENIED : yank_start(yank);

		if (refusal == REFUSAL_NONE)
			return;
		write_result_begin(yank);
		deed_write_refused(yank->writer, refusal);
		json_write_object_end(yank->writer);
	}
	json_write_array_end(yank->writer);
	reply_ok_end(yank->writer);
	session_send(session);
}

static void yank_refuse(struct yank *yank, enum refusal refusal) {
	struct session *session = yank->session;
	const struct request *request = session->request;

	for (size_t i = 0; i < request->n_releases; i++)
		act_record(session, is_yank(session) ? "yank" : "unyank", yank->name,
			request->releases[i].crate, request->releases[i].version, NULL, refusal);
	session_refuse(session, refusal, NULL);
}

static void yank_agreed(enum refusal refusal, void *userdata) {
	struct yank *yank = userdata;
	struct session *session = yank->session;

	if (refusal != REFUSAL_NONE) {
		yank_refuse(yank, refusal);
		return;
	}
	/* From the first request on that leaves something changes there, whoever goes meanwhile. */
	yank->writer = session_answer(session, false);
	reply_ok_begin(yank->writer, session->request->kind);
	json_write_array(yank->writer, "results");
	yank_next(yank);
}

void yank_handle(struct session *session) {
	struct yank *yank = calloc(1, sizeof(*yank));
	enum refusal refusal;

	if (!yank) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	yank->session = session;
	yank->name = act_account(session);
	session_set_operation(session, yank, yank_free);
	if (yank_text(session, yank->name, &yank->text) < 0) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	refusal = mandate_new(session, yank->name, yank->text, "Approve?", yank_agreed, yank,
		&yank->mandate);
	if (refusal != REFUSAL_NONE)
		yank_refuse(yank, refusal);
}
