/*
 * The provider between cargo and an agent, both of which say whatever they
 * like. Up to the first 0x02 it is cargo who speaks, and then closes; from
 * there on it is the agent, in turns with a 0x01 between them: one when the
 * provider connects, and one for each line that it sends. An agent that has no
 * turn left, or whose turn ends within a line, leaves.
 *
 * cargo hears the greeting and then one line for each of its own that is not
 * blank: either one that the agent said, whole, or a refusal of ours. No
 * connection and no terminal is left behind.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "client/provider/relay.h"
#include "client/start.h"
#include "client/terminal.h"
#include "protocol/cleanup.h"
#include "protocol/endpoint.h"
#include "protocol/refusal.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "tests/fuzz/fuzz.h"

#define TURN 0x01
#define AGENT 0x02

struct text {
	const char *bytes;
	size_t size;
};

/* What the agent has not said yet, and its end of the connection; -1 without one. */
static struct text turns;
static int agent_fd = -1;

/* Cuts off what comes before the byte; all if it is not there. */
static struct text text_cut(struct text *text, int byte) {
	const char *end = text->size > 0 ? memchr(text->bytes, byte, text->size) : NULL;
	size_t size = end ? (size_t) (end - text->bytes) : text->size;
	struct text first = {text->bytes, size};

	text->bytes += size + (end ? 1 : 0);
	text->size -= size + (end ? 1 : 0);
	return first;
}

static void agent_speak(void) {
	struct text turn = text_cut(&turns, TURN);

	if (turn.size > 0) /* Or the provider has left. */
		(void) send(agent_fd, turn.bytes, turn.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (turn.size == 0 || turn.bytes[turn.size - 1] != '\n')
		agent_fd = fd_close(agent_fd);
}

/* In place of the system's, by the linker: the agent speaks when a line has been sent. */
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
	char heard[4096];
	ssize_t n = __real_sendmsg(fd, message, flags);

	check(message->msg_controllen == 0); /* There is no terminal to lend. */
	if (n <= 0 || agent_fd < 0)
		return n;
	while (recv(agent_fd, heard, sizeof(heard), MSG_DONTWAIT) > 0)
		;
	if ((size_t) n == message->msg_iov->iov_len)
		agent_speak();
	return n;
}

/* In place of protocol/endpoint.c, client/start.c and client/terminal.c. */

int endpoint_resolve(const char *given, struct endpoint *ret) {
	check(!given);
	*ret = ENDPOINT_NULL;
	ret->directory = strdup("/run/user/1000/cpub-agent");
	check(ret->directory);
	return 0;
}

int endpoint_open(struct endpoint *endpoint, bool may_create) {
	(void) endpoint;
	(void) may_create;
	return 0;
}

int endpoint_connect(const struct endpoint *endpoint, int *ret) {
	int pair[2];

	(void) endpoint;
	agent_fd = fd_close(agent_fd);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	*ret = pair[0];
	agent_fd = pair[1];
	agent_speak();
	return 0;
}

void endpoint_done(struct endpoint *endpoint) {
	free(endpoint->directory);
}

const char *endpoint_advice(int error) {
	(void) error;
	abort(); /* Neither resolving nor opening fails. */
}

int start_agent(void) {
	abort(); /* Somebody listened. */
}

const char *start_advice(int error) {
	(void) error;
	abort();
}

int terminal_open(struct terminal *ret) {
	(void) ret;
	return -ENXIO;
}

bool terminal_is_ours(const struct terminal *terminal) {
	check(terminal->fd == -1);
	return false;
}

void terminal_restore(const struct terminal *terminal) {
	(void) terminal;
}

void terminal_guard(const struct terminal *terminal) {
	(void) terminal;
	abort(); /* There is none to guard. */
}

void terminal_done(struct terminal *terminal) {
	check(terminal->fd == -1);
}

/* Standard input and output become files: one holds what cargo says, one what it hears. */
static void set_stage(const struct text *cargo) {
	static bool is_set;

	for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO && !is_set; fd++) {
		int file = memfd_create("cargo", MFD_CLOEXEC);

		check(file >= 0 && dup2(file, fd) == fd && close(file) == 0);
	}
	is_set = true;
	for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
		check(ftruncate(fd, 0) == 0);
		check(lseek(fd, 0, SEEK_SET) == 0);
	}
	check(pwrite(STDIN_FILENO, cargo->bytes, cargo->size, 0) == (ssize_t) cargo->size);
}

/* All that cargo has heard. Caller frees. */
static char *heard(size_t *ret_size) {
	off_t size = lseek(STDOUT_FILENO, 0, SEEK_END);
	char *bytes = malloc((size_t) size + 1);

	check(size >= 0 && bytes);
	check(pread(STDOUT_FILENO, bytes, (size_t) size, 0) == (ssize_t) size);
	*ret_size = (size_t) size;
	return bytes;
}

static bool is_blank(const struct text *line) {
	for (size_t i = 0; i < line->size; i++) {
		if (!memchr(" \t\r", line->bytes[i], 3))
			return false;
	}
	return true;
}

static bool begins(const struct text *text, const char *start) {
	return text->size >= strlen(start) && memcmp(text->bytes, start, strlen(start)) == 0;
}

/* Without its newline, which is there. */
static void check_answer(const struct text *line, const struct text *said) {
	_cleanup_(reply_freep) struct reply *reply = NULL;

	if (memmem(said->bytes, said->size, line->bytes, line->size + 1)) {
		check(begins(line, "{\"Ok\":{") || begins(line, "{\"Err\":{"));
		check(memcmp(line->bytes + line->size - 2, "}}", 2) == 0);
		return;
	}
	check(reply_parse(line->bytes, line->size, &reply) == 0);
	check(!reply->ok && reply->refusal > REFUSAL_NONE);
	check(strcmp(reply->message, refusal_sentence(reply->refusal)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	struct text agent = {(const char *) bytes, size};
	struct text cargo = text_cut(&agent, AGENT), left;
	_cleanup_(freep) char *all = NULL;

	if (cargo.size >= REQUEST_MAX)
		return 0;
	set_stage(&cargo);
	int next = next_descriptor();
	turns = agent;
	check(relay_run() == EXIT_DONE);
	agent_fd = fd_close(agent_fd);
	check(next_descriptor() == next);

	all = heard(&left.size);
	left.bytes = all;
	check(begins(&left, REPLY_GREETING));
	(void) text_cut(&left, '\n');
	while (cargo.size > 0) {
		struct text line = text_cut(&cargo, '\n'), answer;

		if (is_blank(&line))
			continue;
		check(left.size > 0 && left.bytes[left.size - 1] == '\n');
		answer = text_cut(&left, '\n');
		check_answer(&answer, &agent);
	}
	check(left.size == 0);
	return 0;
}
