#include "relay.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/call.h"
#include "client/terminal.h"
#include "protocol/endpoint.h"
#include "protocol/refusal.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* Longest answer that we carry; cargo's kinds have short ones. */
#define ANSWER_MAX ((size_t) 64 * 1024)
/* Requests in one half, answers in the other: a request stays whole until it is answered. */
#define MEMORY_SIZE ((size_t) REQUEST_MAX + ANSWER_MAX)
/* Two prompts of 15 minutes each, and the agent's own work. */
#define ANSWER_USEC (UINT64_C(90) * 60 * CALL_USEC_PER_SEC)
/* For a line that has begun, there or back. */
#define LINE_USEC (10 * CALL_USEC_PER_SEC)
/*
 * An agent that was just leaving closes at once; then the request is sent
 * again. One that goes later has worked on it, and may have asked a person.
 */
#define LEAVING_USEC (2 * CALL_USEC_PER_SEC)
/* How long the rest of a line that is too long is read and thrown away. */
#define DRAIN_USEC (2 * CALL_USEC_PER_SEC)
/* An Err line of our own: two sentences and a path, which is cut to a quarter. */
#define REFUSAL_MAX 8192

struct relay {
	struct endpoint endpoint;
	struct call call;
	struct terminal terminal;
	bool is_first_line_seen;
	bool is_cargo_gone;

	/* The first half: lines as they come, the first one not yet answered. */
	char *input;
	size_t n_input;
	/* The second half. */
	struct call_buffer answer;
};

/*
 * Locked only as far as it is touched, which saves a start most of its pages.
 * A limit on locked memory is no reason to keep a person from publishing: the
 * line then lies in ordinary memory, as it does in cargo.
 */
static int relay_init(struct relay *relay) {
	char *memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	(void) mlock2(memory, MEMORY_SIZE, MLOCK_ONFAULT);
	/* No copy for the child that becomes the agent. */
	if (madvise(memory, MEMORY_SIZE, MADV_DONTDUMP) < 0 ||
		madvise(memory, MEMORY_SIZE, MADV_DONTFORK) < 0) {
		int r = -errno;
		(void) munmap(memory, MEMORY_SIZE);
		return r;
	}

	*relay = (struct relay){
		.endpoint = ENDPOINT_NULL,
		.call = CALL_NULL,
		.terminal = TERMINAL_NULL,
		.input = memory,
		.answer = {.bytes = memory + REQUEST_MAX,
			.capacity = ANSWER_MAX,
			.limit = ANSWER_MAX},
	};
	return 0;
}

static void relay_wipe_answer(struct relay *relay) {
	/* The whole half would be touched for nothing; what a failed answer left is in `size`. */
	explicit_bzero(relay->answer.bytes, relay->answer.size);
	relay->answer.size = 0;
}

static void relay_done(struct relay *relay) {
	terminal_done(&relay->terminal);
	call_close(&relay->call);
	endpoint_done(&relay->endpoint);
	relay_wipe_answer(relay);
	explicit_bzero(relay->input, relay->n_input);
	(void) munmap(relay->input, MEMORY_SIZE);
}

/* Writes to cargo. A failure means that cargo is gone. */
static void relay_say(struct relay *relay, const char *bytes, size_t size) {
	while (size > 0 && !relay->is_cargo_gone) {
		ssize_t n = write(STDOUT_FILENO, bytes, size);
		if (n >= 0) {
			bytes += n;
			size -= (size_t) n;
		} else if (errno != EINTR)
			relay->is_cargo_gone = true;
	}
}

/*
 * The next whole line, at the start of the input: its size with the newline,
 * 0 at the end, -EMSGSIZE if it is too long, or another negative errno. A last
 * line may lack its newline, as for the library that cargo's own providers use.
 */
static ssize_t relay_next_line(struct relay *relay) {
	for (;;) {
		const char *newline = memchr(relay->input, '\n', relay->n_input);
		if (newline)
			return newline - relay->input + 1;
		if (relay->n_input == REQUEST_MAX)
			return -EMSGSIZE;

		ssize_t n = read(
			STDIN_FILENO, relay->input + relay->n_input, REQUEST_MAX - relay->n_input);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && relay->n_input == 0)
			return 0;
		if (n == 0)
			relay->input[relay->n_input++] = '\n';
		else if (n > 0)
			relay->n_input += (size_t) n;
	}
}

/* Wipes the first line; what came with it moves up. */
static void relay_drop_line(struct relay *relay, size_t size) {
	size_t left = relay->n_input - size;
	memmove(relay->input, relay->input + size, left);
	explicit_bzero(relay->input + left, size);
	relay->n_input = left;
}

static bool line_is_empty(const char *line, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (!memchr(" \t\r\n", line[i], 4))
			return false;
	}
	return true;
}

/* Appends a JSON string; what is not printable ASCII becomes `?`. */
static void put_string(char *text, size_t *size, const char *value) {
	text[(*size)++] = '"';
	/* Room for an escaped byte, and for what follows the string. */
	for (; *value && *size + 64 < REFUSAL_MAX; value++) {
		if (*value == '"' || *value == '\\')
			text[(*size)++] = '\\';
		text[(*size)++] = *value >= 0x20 && *value < 0x7f ? *value : '?';
	}
	text[(*size)++] = '"';
}

static void put_text(char *text, size_t *size, const char *value) {
	memcpy(text + *size, value, strlen(value));
	*size += strlen(value);
}

/* Says why not, in cargo's form. The causes may be NULL. */
static void relay_refuse(
	struct relay *relay, enum refusal refusal, const char *cause, const char *deeper_cause) {
	char line[REFUSAL_MAX];
	size_t size = 0;

	put_text(line, &size, "{\"Err\":{\"kind\":\"other\",\"message\":");
	put_string(line, &size, refusal_sentence(refusal));
	put_text(line, &size, ",\"caused-by\":[");
	if (cause)
		put_string(line, &size, cause);
	if (cause && deeper_cause)
		put_text(line, &size, ",");
	if (deeper_cause)
		put_string(line, &size, deeper_cause);
	put_text(line, &size, "],\"code\":");
	put_string(line, &size, refusal_name(refusal));
	put_text(line, &size, "}}\n");
	relay_say(relay, line, size);
}

/* The agent could not be reached: names the directory too, where that is the matter. */
static void relay_refuse_agent(struct relay *relay, enum refusal refusal, const char *cause) {
	char where[REFUSAL_MAX / 4];

	if (refusal != REFUSAL_SOCKET_UNSAFE) {
		relay_refuse(relay, refusal, cause, NULL);
		return;
	}
	(void) snprintf(where, sizeof(where), "the directory is '%s'", relay->endpoint.directory);
	relay_refuse(relay, refusal, cause, where);
}

/* Makes ready what the first line needs, so that a start without one costs nothing. */
static int relay_prepare(struct relay *relay) {
	if (!relay->is_first_line_seen) {
		relay->is_first_line_seen = true;
		/* No terminal, or not ours now: then nothing is lent, as the agent expects. */
		if (terminal_open(&relay->terminal) == 0)
			terminal_guard(&relay->terminal);
	}
	if (relay->endpoint.directory)
		return 0;
	return endpoint_resolve(NULL, &relay->endpoint);
}

/*
 * Sends the line and waits for the first byte of the answer. The agent keeps
 * the terminal for the whole connection, so it goes with the first line only.
 */
static int relay_ask(struct relay *relay, size_t size, bool is_first) {
	size_t n_fds = is_first && terminal_is_ours(&relay->terminal) ? 1 : 0;

	int r = call_send(&relay->call, relay->input, size, &relay->terminal.fd, n_fds,
		call_deadline(LINE_USEC));
	if (r < 0)
		return r;
	return call_wait(&relay->call, STDOUT_FILENO, call_deadline(ANSWER_USEC));
}

/*
 * Asks until the answer begins: a second time if the agent was just leaving.
 * Returns REFUSAL_NONE and 0 or a negative errno of the connection in *ret, or
 * the refusal of call_open.
 */
static enum refusal relay_reach(
	struct relay *relay, size_t size, int *ret, const char **ret_detail) {
	for (bool is_retry = false;; is_retry = true) {
		bool is_new = relay->call.fd < 0;
		if (is_new) {
			enum refusal refusal =
				call_open(&relay->endpoint, true, &relay->call, ret_detail);
			if (refusal != REFUSAL_NONE)
				return refusal;
		}

		uint64_t leaving_until = call_deadline(LEAVING_USEC);
		int r = relay_ask(relay, size, is_new);
		if (!call_was_left(r) || is_retry || call_deadline(0) > leaving_until) {
			*ret = r;
			return REFUSAL_NONE;
		}
		call_close(&relay->call);
		/* A question may just have begun; the next one must not find its modes. */
		terminal_restore(&relay->terminal);
	}
}

/* Whether it has the outline of an answer. What is in it is between cargo and the agent. */
static bool answer_is_sound(const struct call_buffer *answer) {
	static const char ok[] = "{\"Ok\":{";
	static const char err[] = "{\"Err\":{";
	static const char end[] = "}}\n";
	size_t n_end = strlen(end);

	if (answer->size < strlen(err) + n_end)
		return false;
	return (memcmp(answer->bytes, ok, strlen(ok)) == 0 ||
		       memcmp(answer->bytes, err, strlen(err)) == 0) &&
	       memcmp(answer->bytes + answer->size - n_end, end, n_end) == 0;
}

/* Which refusal a failure on the connection is. */
static enum refusal relay_refusal(int error, const char **ret_detail) {
	switch (error) {
	case -EPIPE:
	case -ECONNRESET:
	case -EBADMSG:
		*ret_detail = "the agent went away before it answered";
		return REFUSAL_AGENT_UNREACHABLE;
	case -ETIMEDOUT:
		*ret_detail = "the agent did not answer in time";
		return REFUSAL_AGENT_UNREACHABLE;
	case -EMSGSIZE:
		*ret_detail = "the agent's answer is longer than 64 KiB";
		return REFUSAL_INTERNAL;
	case -EPROTO:
		*ret_detail = "what the agent said is no answer of its protocol";
		return REFUSAL_INTERNAL;
	default:
		*ret_detail = "the connection to the agent failed";
		return REFUSAL_AGENT_UNREACHABLE;
	}
}

/* The whole answer into its half: REFUSAL_NONE, or what to tell cargo instead. */
static enum refusal relay_exchange(struct relay *relay, size_t size, const char **ret_detail) {
	int r = 0;
	enum refusal refusal = relay_reach(relay, size, &r, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;

	if (r == 0)
		r = call_receive(
			&relay->call, STDOUT_FILENO, call_deadline(LINE_USEC), &relay->answer);
	if (r == 0 && !answer_is_sound(&relay->answer))
		r = -EPROTO;
	if (r == 0)
		return REFUSAL_NONE;

	/* What else may come on this connection would be taken for another line's answer. */
	call_close(&relay->call);
	relay->is_cargo_gone = r == -ECANCELED;
	return relay_refusal(r, ret_detail);
}

/* One line in, one line out. */
static void relay_serve(struct relay *relay, size_t size) {
	const char *detail = NULL;

	int r = relay_prepare(relay);
	if (r < 0) {
		relay_refuse(relay, REFUSAL_AGENT_UNREACHABLE, endpoint_advice(r), NULL);
		return;
	}

	enum refusal refusal = relay_exchange(relay, size, &detail);
	terminal_restore(&relay->terminal);
	if (relay->is_cargo_gone)
		return;
	if (refusal == REFUSAL_NONE)
		relay_say(relay, relay->answer.bytes, relay->answer.size);
	else
		relay_refuse_agent(relay, refusal, detail);
	relay_wipe_answer(relay);
}

/*
 * Refuses what does not fit. cargo reads only after it has written all, so the
 * rest is taken too, for a while: it would die of a broken pipe otherwise, and
 * never show our message.
 */
static void relay_refuse_long_line(struct relay *relay) {
	uint64_t deadline = call_deadline(DRAIN_USEC);
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t n = REQUEST_MAX;

	relay_refuse(relay, REFUSAL_LINE_TOO_LONG, NULL, NULL);
	while (n > 0 && !memchr(relay->input, '\n', (size_t) n)) {
		if (call_poll(&input, 1, deadline) < 0)
			return;
		n = read(STDIN_FILENO, relay->input, REQUEST_MAX);
	}
}

static int relay_loop(struct relay *relay) {
	while (!relay->is_cargo_gone) {
		ssize_t size = relay_next_line(relay);
		if (size == 0)
			return EXIT_DONE;
		if (size == -EMSGSIZE) {
			relay_refuse_long_line(relay);
			return EXIT_DONE;
		}
		if (size < 0) {
			(void) fprintf(stderr,
				"cargo-credential-cpub: reading from cargo failed: %s\n",
				strerror((int) -size));
			return EXIT_FAILED;
		}

		if (!line_is_empty(relay->input, (size_t) size))
			relay_serve(relay, (size_t) size);
		relay_drop_line(relay, (size_t) size);
	}
	return EXIT_FAILED;
}

int relay_run(void) {
	struct relay relay;

	int r = relay_init(&relay);
	if (r < 0) {
		(void) fprintf(stderr,
			"cargo-credential-cpub: there is no memory for a request: %s\n",
			strerror(-r));
		return EXIT_FAILED;
	}
	relay_say(&relay, REPLY_GREETING, strlen(REPLY_GREETING));
	int status = relay_loop(&relay);
	relay_done(&relay);
	return status;
}
