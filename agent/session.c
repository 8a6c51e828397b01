/*
 * One connection, one request at a time:
 *
 *   READING --a whole line--> RUNNING --session_send/refuse--> WRITING
 *      ^                                                          |
 *      +---------------- all sent, next line ---------------------+
 *
 *   any --peer gone, deadline, broken protocol--> CLOSED
 *
 * Reading is off while RUNNING; only a hang-up is noticed then, and cancels.
 * Bytes are received into the agent's one intake buffer; what is not a whole
 * line yet moves to a buffer of the session's own, so that a silent connection
 * costs no locked memory.
 *
 * A handler may end its request from deep inside callbacks of its own
 * operation. So session_send only sets the state; the operation is freed, and
 * the answer written, in a turn of the loop of its own (session_on_turn), or at
 * the end of session_on_io when the handler ended within it. Only the last line
 * of these callbacks frees the session.
 *
 * Descriptors are taken only with the bytes of a line that begins with them on
 * an idle connection: one recvmsg can return line 1 without, and line 2 with,
 * the descriptor of line 2, and nobody could tell whose it is.
 */

#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/agent.h"
#include "agent/consignment.h"
#include "agent/dispatch.h"
#include "agent/lent.h"
#include "agent/log.h"
#include "agent/parked.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/secret.h"

/* From the first byte of a line to its newline, and for taking an answer. */
#define PEER_DEADLINE_USEC (30 * USEC_PER_SEC)

static int session_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static int session_on_turn(sd_event_source *source, void *userdata);
static int session_on_deadline(sd_event_source *source, uint64_t usec, void *userdata);

bool session_is_running(const struct session *session) {
	return session->state == SESSION_RUNNING;
}

static void session_watch(struct session *session, uint32_t events) {
	int r = sd_event_source_set_io_events(session->io, events);

	if (r >= 0) /* A held session may have turned it off. */
		r = sd_event_source_set_enabled(session->io, SD_EVENT_ON);
	if (r < 0)
		session->state = SESSION_CLOSED;
}

/* The peer has until then to go on; further bytes do not put it off. */
static void session_set_deadline(struct session *session) {
	int enabled = SD_EVENT_OFF, r;

	if (session->deadline) {
		r = sd_event_source_get_enabled(session->deadline, &enabled);
		if (r >= 0 && enabled != SD_EVENT_OFF)
			return;
		r = sd_event_source_set_time_relative(session->deadline, PEER_DEADLINE_USEC);
		if (r >= 0)
			r = sd_event_source_set_enabled(session->deadline, SD_EVENT_ONESHOT);
	} else {
		r = sd_event_add_time_relative(session->agent->event, &session->deadline,
			CLOCK_MONOTONIC, PEER_DEADLINE_USEC, 0, session_on_deadline, session);
	}
	if (r < 0)
		session->state = SESSION_CLOSED;
}

static void session_clear_deadline(struct session *session) {
	if (session->deadline)
		(void) sd_event_source_set_enabled(session->deadline, SD_EVENT_OFF);
}

void session_set_operation(struct session *session, void *operation, void (*free)(void *)) {
	void *old = session->operation;
	void (*old_free)(void *) = session->operation_free;

	session->operation = operation;
	session->operation_free = free;
	if (old)
		old_free(old);
}

/* Answers a peer with whom no word more makes sense. */
static void session_break(struct session *session, enum refusal refusal) {
	session->is_last_answer = true;
	session_refuse(session, refusal, NULL);
}

static void session_end_request(struct session *session) {
	session_set_operation(session, NULL, NULL);
	session->request = request_free(session->request);
	free(session->url);
	session->url = NULL;
	session->pipe = parked_free(session->pipe);
	session->file = parked_free(session->file);
	session->is_held = false;
}

/* To the front of the list: the last one there has been silent the longest. */
static void session_move_up(struct session *session) {
	struct agent *agent = session->agent;

	*session->link = session->next;
	if (session->next)
		session->next->link = session->link;
	session->next = agent->sessions;
	session->link = &agent->sessions;
	if (session->next)
		session->next->link = &session->next;
	agent->sessions = session;
}

static void session_wait_for_more(struct session *session, const uint8_t *bytes, size_t size) {
	int r;

	r = waiting_add(&session->waiting, &session->agent->n_waiting_bytes, bytes, size);
	if (r < 0)
		session_break(session, r == -EBUSY ? REFUSAL_BUSY : refusal_from_errno(r));
}

/* Runs one line, without its newline. */
static void session_run(struct session *session, const uint8_t *line, size_t size) {
	struct request *request = NULL;
	int r;

	session_clear_deadline(session);
	session->state = SESSION_RUNNING;
	session_watch(session, 0); /* A hang-up is reported all the same. */
	session_move_up(session);
	r = request_parse((const char *) line, size, &request);
	if (r < 0) {
		session_fail(session, r, "reading a request");
		return;
	}
	if (r == REFUSAL_BAD_REQUEST || r == REFUSAL_BAD_VERSION) {
		session_break(session, (enum refusal) r);
		return;
	}
	if (r > 0) {
		session_refuse(session, (enum refusal) r, NULL);
		return;
	}
	session->request = request;
	if (session->file && !request_takes_file(request)) {
		session_break(session, REFUSAL_BAD_DESCRIPTOR);
		return;
	}
	/* Looking on does not keep the store open. */
	agent_touch(session->agent, request->kind != KIND_STATUS);
	dispatch(session);
}

static bool session_has_line(const struct session *session) {
	const struct waiting *waiting = &session->waiting;

	return waiting->size > 0 && memchr(secret_peek(waiting->bytes), '\n', waiting->size);
}

/* Runs the next line if one is waiting. */
static void session_run_waiting(struct session *session) {
	const uint8_t *bytes, *end;
	size_t line;

	if (session->waiting.size == 0)
		return;
	bytes = secret_peek(session->waiting.bytes);
	end = memchr(bytes, '\n', session->waiting.size);
	if (!end) {
		if (session->waiting.size >= REQUEST_MAX)
			session_break(session, REFUSAL_LINE_TOO_LONG);
		else
			session_set_deadline(session);
		return;
	}
	line = (size_t) (end - bytes);
	session_run(session, bytes, line);
	waiting_drop(&session->waiting, &session->agent->n_waiting_bytes, line + 1);
}

/*
 * Idle again. A line that waits already has to wait for a turn of the loop as
 * if it came now: being writable wakes us, after the others had theirs.
 */
static void session_await_line(struct session *session) {
	if (session_has_line(session)) {
		session_watch(session, EPOLLOUT);
		return;
	}
	session_watch(session, EPOLLIN);
	session_run_waiting(session); /* Half a line has a deadline. */
}

/* Goes on as far as it can without waiting for anybody. */
static void session_go_on(struct session *session) {
	while (session->state == SESSION_WRITING) {
		const char *bytes = json_writer_bytes(&session->answer);
		ssize_t n;

		/* The handler is done: what it held goes before anything is written. */
		session_end_request(session);
		n = send(session->fd, bytes + session->n_sent,
			session->answer.size - session->n_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			session_watch(session, EPOLLOUT);
			session_set_deadline(session);
			return;
		}
		if (n < 0) {
			session->state = SESSION_CLOSED;
			return;
		}
		session->n_sent += (size_t) n;
		if (session->n_sent < session->answer.size)
			continue;
		json_writer_done(&session->answer);
		session_clear_deadline(session);
		if (session->is_last_answer) {
			session->state = SESSION_CLOSED;
			return;
		}
		session->state = SESSION_READING;
		session_await_line(session);
	}
}

/* Descriptors that came. A second one of a kind has no place, as long as the first is there. */
static int session_take_lent(struct session *session, struct msghdr *message, size_t *ret_n) {
	int pipe = -1, file = -1;
	int r = lent_take(message, &session->terminal, &pipe, &file, ret_n);

	if (pipe >= 0 && session->pipe)
		r = -EBADF;
	if (file >= 0 && session->file)
		r = -EBADF;
	if (r < 0) {
		(void) lent_close(pipe);
		(void) lent_close(file);
		return r;
	}
	if (pipe >= 0)
		r = parked_new(pipe, &session->pipe);
	if (file >= 0) {
		int other = parked_new(file, &session->file);

		r = r < 0 ? r : other;
	}
	return r;
}

/* One recvmsg into the agent's buffer, and what follows from it. */
static void session_receive(struct session *session) {
	union lent_control control;
	uint8_t *buffer = secret_bytes(session->agent->intake);
	struct iovec iov = {buffer, REQUEST_MAX - session->waiting.size};
	struct msghdr message = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	bool was_idle = session->waiting.size == 0;
	size_t size, n_fds;
	uint8_t *end;
	ssize_t n;
	int r;

	n = recvmsg(session->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		session->state = SESSION_CLOSED;
		return;
	}
	size = (size_t) n;
	end = memchr(buffer, '\n', size);
	r = session_take_lent(session, &message, &n_fds);
	if (r < 0 || (n_fds > 0 && (!was_idle || (end && end + 1 < buffer + size))))
		session_break(session, r < 0 && r != -EBADF ? refusal_from_errno(r)
							    : REFUSAL_BAD_DESCRIPTOR);
	else if (was_idle && end)
		session_run(session, buffer, (size_t) (end - buffer));
	if (session->is_last_answer) {
		/* Whatever else came makes no sense either. */
	} else if (was_idle && end) {
		end++;
		session_wait_for_more(session, end, size - (size_t) (end - buffer));
	} else {
		session_wait_for_more(session, buffer, size);
		if (session->state == SESSION_READING)
			session_run_waiting(session);
	}
	explicit_bzero(buffer, size);
}

/* What is under way is ended in order; whoever waits for the end of the terminal does not wait for us. */
static void session_leave(struct session *session) {
	(void) sd_event_source_set_enabled(session->io, SD_EVENT_OFF);
	session->terminal = fd_close(session->terminal);
}

static int session_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	struct session *session = userdata;

	(void) source;
	(void) fd;
	session->is_in_turn = true;
	if (session->state == SESSION_RUNNING && (revents & (EPOLLHUP | EPOLLERR)) != 0) {
		if (session->is_held)
			session_leave(session);
		else
			session->state = SESSION_CLOSED;
		session->is_left = true;
	}
	if (session->state == SESSION_READING && session_has_line(session))
		session_run_waiting(session);
	else if (session->state == SESSION_READING)
		session_receive(session);
	session_go_on(session);
	session->is_in_turn = false;
	if (session->state == SESSION_CLOSED)
		session_free(session);
	return 0;
}

static int session_on_turn(sd_event_source *source, void *userdata) {
	struct session *session = userdata;

	(void) source;
	session->is_in_turn = true;
	session_go_on(session);
	session->is_in_turn = false;
	if (session->state == SESSION_CLOSED)
		session_free(session);
	return 0;
}

static int session_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	struct session *session = userdata;

	(void) source;
	(void) usec;
	session->is_in_turn = true;
	if (session->state == SESSION_READING) {
		session_break(session, REFUSAL_LINE_INCOMPLETE);
		session_go_on(session);
	}
	/* Not even that could be written: the peer reads nothing. */
	if (session->state == SESSION_WRITING)
		session->state = SESSION_CLOSED;
	session->is_in_turn = false;
	if (session->state == SESSION_CLOSED)
		session_free(session);
	return 0;
}

static int session_start(struct session *session) {
	sd_event *event = session->agent->event;
	ssize_t n;
	int r;

	r = sd_event_add_defer(event, &session->turn, session_on_turn, session);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(session->turn, SD_EVENT_OFF);
	if (r < 0)
		return r;
	r = sd_event_add_io(
		event, &session->io, session->fd, EPOLLIN, session_on_io, session);
	if (r < 0)
		return r;
	/* The buffer of a new socket is empty: the greeting fits. */
	n = send(session->fd, REPLY_GREETING, strlen(REPLY_GREETING), MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : 0;
}

int session_new(struct agent *agent, int fd, struct peer peer) {
	struct session *session;
	int r;

	session = calloc(1, sizeof(*session));
	if (!session) {
		(void) fd_close(fd);
		peer_done(&peer);
		return -ENOMEM;
	}
	session->agent = agent;
	session->fd = fd;
	session->peer = peer;
	session->terminal = -1;
	session->next = agent->sessions;
	session->link = &agent->sessions;
	if (session->next)
		session->next->link = &session->next;
	agent->sessions = session;
	agent->n_sessions++;
	r = session_start(session);
	if (r < 0)
		session_free(session);
	return r;
}

struct session *session_free(struct session *session) {
	if (!session)
		return NULL;
	*session->link = session->next;
	if (session->next)
		session->next->link = session->link;
	session->agent->n_sessions--;
	session_end_request(session);
	consignment_free(session->consignment);
	waiting_clear(&session->waiting, &session->agent->n_waiting_bytes);
	json_writer_done(&session->answer);
	sd_event_source_disable_unref(session->io);
	sd_event_source_disable_unref(session->turn);
	sd_event_source_disable_unref(session->deadline);
	(void) fd_close(session->terminal);
	(void) lent_close_socket(
		session->fd, secret_bytes(session->agent->intake), REQUEST_MAX);
	peer_done(&session->peer);
	free(session);
	return NULL;
}
