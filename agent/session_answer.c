/* How a session's request ends, and what its peer is told before that. */

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "agent/log.h"
#include "agent/session.h"
#include "protocol/reply.h"
#include "protocol/request.h"

void session_hold(struct session *session) {
	session->is_held = true;
}

bool session_is_left(const struct session *session) {
	return session->is_left;
}

void session_drop_secret(struct session *session) {
	if (session->state != SESSION_WRITING || !session->answer.is_secret)
		return;
	json_writer_done(&session->answer);
	session->state = SESSION_CLOSED;
	(void) sd_event_source_set_enabled(session->turn, SD_EVENT_ONESHOT);
}

struct json_writer *session_answer(struct session *session, bool is_secret) {
	json_writer_done(&session->answer);
	json_writer_init(&session->answer, is_secret);
	return &session->answer;
}

void session_send(struct session *session) {
	int r;

	if (session->state == SESSION_CLOSED)
		return;
	r = json_writer_finish(&session->answer);
	if (r < 0) {
		/* Something in it is not UTF-8, or too long: better an answer than none. */
		log_warning("an answer could not be written: %s", strerror(-r));
		reply_refusal(session_answer(session, false), refusal_from_errno(r), NULL, NULL);
		r = json_writer_finish(&session->answer);
	}
	session->state = r < 0 ? SESSION_CLOSED : SESSION_WRITING;
	session->n_sent = 0;
	if (session->is_in_turn)
		return;
	r = sd_event_source_set_enabled(session->turn, SD_EVENT_ONESHOT);
	if (r < 0)
		log_warning("a connection could not be answered: %s", strerror(-r));
}

void session_progress(struct session *session, const char *stage, uint64_t done, uint64_t total) {
	char line[256];
	int unread = 0, size;

	if (session->state != SESSION_RUNNING || !session->request->wants_progress)
		return;
	/* Into an empty queue a short line goes whole; behind another it might be cut in two. */
	if (ioctl(session->fd, SIOCOUTQ, &unread) < 0 || unread > 0)
		return;
	size = snprintf(line, sizeof(line),
		"{\"Progress\":{\"stage\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64 "}}\n",
		stage, done, total);
	/* Nobody there any more: the answer will tell. */
	(void) send(session->fd, line, (size_t) size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void session_refuse(struct session *session, enum refusal refusal, const char *detail) {
	log_debug("refused: '%s'", refusal_name(refusal));
	reply_refusal(session_answer(session, false), refusal, NULL, detail);
	session_send(session);
}

void session_fail(struct session *session, int error, const char *what) {
	log_warning("%s failed: %s", what, strerror(-error));
	session_refuse(session, refusal_from_errno(error), NULL);
}
