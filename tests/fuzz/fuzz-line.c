/*
 * A connection of the agent, from the bytes that a peer sends to the requests
 * that they become. The session is the agent's own; behind it stands a dispatch
 * of ours, which answers with all that it was given. The bytes stand for
 * themselves, as far as they are no orders:
 *
 *   0x01         what was gathered so far is sent; the agent works until it waits
 *   0x02 … 0x05  the same, with a pipe, a terminal, /dev/null, too many pipes
 *   0x06         the request that waits (`list`) is answered
 *   0x07 N       the byte before, N times 256 times more
 *
 * Beside it runs a model of what a connection has to do. Whenever the agent
 * waits, both have said the same, and are both closed or both not. In the end
 * the peer leaves: then nothing is left, neither memory nor a descriptor.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/consignment.h"
#include "agent/dispatch.h"
#include "agent/session.h"
#include "protocol/request.h"
#include "protocol/secret.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/line-model.h"

enum order {
	ORDER_SEND = 0x01,
	ORDER_SEND_LAST = ORDER_SEND + _LENT_MAX - 1,
	ORDER_GO_ON,
	ORDER_REPEAT,
};

/* At once, and all together: what the socket has room for while nobody reads. */
#define CHUNK_MAX ((size_t) 80 * 1024)
#define SENT_MAX ((size_t) 112 * 1024)
#define CHUNKS_MAX 64
/* Longer pieces are cut by the kernel, which leaves the descriptors with the first part. */
#define CHUNK_LENT_MAX ((size_t) 8 * 1024)
#define MANY 9

/* Made once: what hangs below the loop is what is tried. */
static struct agent agent;
static int lendable[_LENT_MAX];
static size_t n_operations;

/* The peer's side. */
struct script {
	struct line_model model;
	int fd;
	size_t n_heard, n_sent;
	int n_chunks;
	bool is_ended;
	size_t n_chunk;
	uint8_t chunk[CHUNK_MAX];
};

/* In place of agent/agent.c and agent/dispatch.c. */

void agent_touch(struct agent *touched, bool is_request) {
	(void) is_request;
	check(touched == &agent);
}

static void operation_free(void *operation) {
	free(operation);
	n_operations--;
}

static void answer(struct session *session) {
	struct json_writer *writer = session_answer(session, session->request->kind == KIND_GET);

	line_model_answer(writer, session->request, session->terminal >= 0, session->pipe != NULL);
	session_send(session);
}

/* No request of these seals a crate. */
struct consignment *consignment_free(struct consignment *consignment) {
	return consignment;
}

void dispatch(struct session *session) {
	void *operation = malloc(1);

	check(operation);
	n_operations++;
	session_set_operation(session, operation, operation_free);
	if (session->request->kind != LINE_MODEL_WAITS)
		answer(session);
}

static void prepare(void) {
	int master, ends[2];

	if (agent.event)
		return;
	check(sd_event_new(&agent.event) >= 0);
	check(secret_new(REQUEST_MAX, &agent.intake) == 0);
	check(pipe2(ends, O_CLOEXEC) == 0);
	lendable[LENT_PIPE] = lendable[LENT_MANY] = ends[0];
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	check(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	lendable[LENT_TERMINAL] = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	lendable[LENT_ODD] = open("/dev/null", O_RDWR | O_CLOEXEC);
	check(lendable[LENT_TERMINAL] >= 0 && lendable[LENT_ODD] >= 0);
}

/* Takes what the agent has said, and compares. Returns whether there was anything. */
static bool script_hear(struct script *script) {
	char bytes[16 * 1024];
	ssize_t n;

	if (script->is_ended)
		return false;
	n = recv(script->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0) {
		check(script->n_heard + (size_t) n <= script->model.n_said);
		check(memcmp(script->model.said + script->n_heard, bytes, (size_t) n) == 0);
		script->n_heard += (size_t) n;
		return true;
	}
	check(n == 0 || errno == EAGAIN || errno == ECONNRESET);
	script->is_ended = n == 0 || errno == ECONNRESET;
	return false;
}

/* Until the agent waits; then both have to have come to the same point. */
static void script_work(struct script *script) {
	const uint8_t *intake = secret_peek(agent.intake);
	bool has_heard;
	int n;

	do {
		n = sd_event_run(agent.event, 0);
		check(n >= 0);
		has_heard = script_hear(script);
	} while (n > 0 || has_heard);
	check(script->n_heard == script->model.n_said);
	check(script->is_ended == script->model.is_closed);
	check(!agent.sessions == script->model.is_closed);
	check(agent.n_sessions == (agent.sessions ? 1 : 0));
	check(n_operations == (script->model.waiting ? 1 : 0));
	check(agent.n_waiting_bytes == 0 || script->model.n_left > 0);
	check(agent.n_waiting_bytes <= REQUEST_MAX);
	/* Received bytes are wiped where they first lay. */
	for (size_t i = 0; i < 256; i++)
		check(intake[i] == 0);
}

static void script_send(struct script *script, enum lent lent) {
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * MANY)];
	} control = {0};
	struct iovec part = {script->chunk, script->n_chunk};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	size_t n_fds = lent == LENT_NOTHING ? 0 : lent == LENT_MANY ? MANY : 1;

	if (n_fds > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &lendable[lent], sizeof(int));
	}
	check(sendmsg(script->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		(ssize_t) script->n_chunk);
}

static void script_order_send(struct script *script, enum lent lent) {
	bool is_told = script->n_chunk > 0 && !script->model.is_closed &&
		       script->n_chunks < CHUNKS_MAX &&
		       script->n_sent + script->n_chunk <= SENT_MAX;

	if (script->model.waiting || script->n_chunk > CHUNK_LENT_MAX)
		lent = LENT_NOTHING; /* The model does not say which line they would come with. */
	if (is_told) {
		script_send(script, lent);
		script->n_chunks++;
		script->n_sent += script->n_chunk;
		line_model_send(&script->model, script->chunk, script->n_chunk, lent);
		script_work(script);
	}
	script->n_chunk = 0;
}

static void script_order_go_on(struct script *script) {
	if (!script->model.waiting)
		return;
	line_model_go_on(&script->model);
	answer(agent.sessions);
	script_work(script);
}

static void script_gather(struct script *script, uint8_t byte, size_t times) {
	size_t room = CHUNK_MAX - script->n_chunk;
	size_t n = times < room ? times : room;

	memset(script->chunk + script->n_chunk, byte, n);
	script->n_chunk += n;
}

static void script_run(struct script *script, const uint8_t *bytes, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] >= ORDER_SEND && bytes[i] <= ORDER_SEND_LAST)
			script_order_send(script, (enum lent)(bytes[i] - ORDER_SEND));
		else if (bytes[i] == ORDER_GO_ON)
			script_order_go_on(script);
		else if (bytes[i] == ORDER_REPEAT && i + 1 < size && script->n_chunk > 0)
			script_gather(script, script->chunk[script->n_chunk - 1],
				(size_t) bytes[++i] * 256);
		else
			script_gather(script, bytes[i], 1);
	}
	script_order_send(script, LENT_NOTHING);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static struct script script;
	int pair[2], small = 1; /* The kernel makes it the least that it allows. */

	prepare();
	int next = next_descriptor();
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	check(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	memset(&script, 0, offsetof(struct script, chunk));
	script.fd = pair[0];
	line_model_init(&script.model);
	check(session_new(&agent, pair[1], PEER_NULL) == 0);
	script_work(&script);
	script_run(&script, bytes, size);

	check(close(script.fd) == 0);
	while (sd_event_run(agent.event, 0) > 0)
		;
	check(!agent.sessions && agent.n_sessions == 0);
	check(agent.n_waiting_bytes == 0 && n_operations == 0);
	check(next_descriptor() == next);
	line_model_done(&script.model);
	return 0;
}
