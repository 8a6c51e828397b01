/*
 * The client's side of a connection, and an agent that says whatever it likes.
 * The first byte says how answers are taken (in a piece of memory of our own
 * or a heap buffer, and how much fits); all others are what the agent says,
 * before it leaves, but for
 *
 *   0x01  what was said so far goes out as a piece of its own
 *   0x02  the agent leaves, and what follows is said on the next connection
 *
 * The client agrees to version 1 and to no other; it then takes each line, whole
 * and nothing behind it, until the end, and says which end it was.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "client/call.h"
#include "client/start.h"
#include "protocol/cleanup.h"
#include "protocol/endpoint.h"
#include "tests/fuzz/fuzz.h"

#define PIECE 0x01
#define LEAVE 0x02
#define GREETING_MAX 256u
#define OWN_MAX ((size_t) 4096)
#define HEAP_MAX ((size_t) 16384)
/* Each piece costs the socket's buffer far more than its bytes. */
#define PIECES_MAX 64
#define DEADLINE_USEC (10 * CALL_USEC_PER_SEC)

/* What is said on one connection; what endpoint_connect takes next. */
struct speech {
	const uint8_t *bytes;
	size_t size;
};
static struct speech next_speech;
static int n_connections;

/* Cuts off what is said on the next connection. */
static struct speech speech_take(struct speech *speeches) {
	const uint8_t *end =
		speeches->size > 0 ? memchr(speeches->bytes, LEAVE, speeches->size) : NULL;
	struct speech first = *speeches;

	if (end) {
		first.size = (size_t) (end - speeches->bytes);
		speeches->bytes = end + 1;
		speeches->size -= first.size + 1;
	} else {
		speeches->bytes += speeches->size;
		speeches->size = 0;
	}
	return first;
}

static void speech_say(const struct speech *speech, int fd) {
	const uint8_t *at = speech->bytes, *end = speech->bytes + speech->size;

	for (int i = 0; at < end && i < PIECES_MAX; i++) {
		const uint8_t *border = memchr(at, PIECE, (size_t) (end - at));
		size_t size = (size_t) ((border ? border : end) - at);

		check(send(fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) size);
		at += size + (border ? 1 : 0);
	}
}

/* What arrives of a speech: all but the borders of pieces. Caller frees. */
static char *speech_text(const struct speech *speech, size_t *ret_size) {
	char *text = malloc(speech->size + 1);
	size_t size = 0;
	int n_pieces = 0;

	check(text);
	for (size_t i = 0; i < speech->size && n_pieces < PIECES_MAX; i++) {
		if (speech->bytes[i] == PIECE)
			n_pieces++;
		else
			text[size++] = (char) speech->bytes[i];
	}
	text[size] = '\0';
	*ret_size = size;
	return text;
}

/* In place of protocol/endpoint.c and client/start.c: an agent is always there. */

int endpoint_open(struct endpoint *endpoint, bool may_create) {
	(void) endpoint;
	(void) may_create;
	return 0;
}

int endpoint_connect(const struct endpoint *endpoint, int *ret) {
	struct speech speech = speech_take(&next_speech);
	int pair[2];

	(void) endpoint;
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	speech_say(&speech, pair[1]);
	check(close(pair[1]) == 0);
	*ret = pair[0];
	n_connections++;
	return 0;
}

const char *endpoint_advice(int error) {
	(void) error;
	abort(); /* Opening does not fail. */
}

int start_agent(void) {
	abort(); /* Somebody listened. */
}

const char *start_advice(int error) {
	(void) error;
	abort();
}

enum greeting {
	GREETING_GOOD,
	GREETING_WRONG,
	GREETING_LEFT, /* the agent was just leaving: worth another try */
	GREETING_ODD,  /* neither has to be */
};

/* `{"v":[N,N,…]…`, in plain small numbers, is for us exactly if one of them is 1. */
static enum greeting greeting_judge(const char *text, size_t size) {
	const char *newline = memchr(text, '\n', size);
	static const char start[] = "{\"v\":[";
	const char *at = text + strlen(start);
	bool has_version = false;

	if (!newline && size <= GREETING_MAX)
		return GREETING_LEFT;
	if (!newline || (size_t) (newline - text) >= GREETING_MAX)
		return GREETING_WRONG;
	if (strncmp(text, start, strlen(start)) != 0)
		return GREETING_WRONG;
	for (;;) {
		size_t n_digits = strspn(at, "0123456789");

		if (n_digits == 0 || n_digits > 9 || *at == '0')
			return GREETING_ODD;
		has_version |= n_digits == 1 && *at == '1';
		at += n_digits;
		if (*at != ',')
			break;
		at++;
	}
	if (has_version)
		return GREETING_GOOD;
	return *at == ']' ? GREETING_WRONG : GREETING_ODD;
}

/* Takes line after line, each as it stands in the text, to the end. */
static void take_lines(struct call *call, bool is_own, size_t limit, const char *at, size_t left) {
	static char own[OWN_MAX];
	struct call_buffer buffer = {.limit = limit};

	if (is_own)
		buffer = (struct call_buffer){.bytes = own, .capacity = limit, .limit = limit};
	for (int r = 0; r == 0;) {
		const char *newline = memchr(at, '\n', left);
		size_t size = newline ? (size_t) (newline - at) + 1 : left;
		int expected = newline ? 0 : size > 0 ? -EBADMSG : -EPIPE;

		memset(own, 0, sizeof(own));
		check(call_send(call, "x\n", 2, NULL, 0, call_deadline(DEADLINE_USEC)) ==
			(left > 0 ? -EPROTO : -EPIPE));
		r = call_receive(call, -1, call_deadline(DEADLINE_USEC), &buffer);
		if (size > limit) {
			check(r == -EMSGSIZE);
			size = limit;
		} else {
			check(r == expected);
		}
		check(buffer.size == size && buffer.size <= buffer.limit);
		check(size == 0 || memcmp(buffer.bytes, at, size) == 0);
		/* Nothing of the next line stays behind. */
		for (size_t i = is_own ? size : limit; i < limit; i++)
			check(own[i] == '\0');
		at += size;
		left -= size;
	}
	if (!is_own)
		free(buffer.bytes);
}

/* Which speech the client gets to hear lines of: one that is left is tried again, once. */
static enum greeting judge_speeches(struct speech speeches, char **ret_text, size_t *ret_size) {
	enum greeting greeting = GREETING_LEFT;

	for (int i = 0; i < 2 && greeting == GREETING_LEFT; i++) {
		struct speech speech = speech_take(&speeches);

		free(*ret_text);
		*ret_text = speech_text(&speech, ret_size);
		greeting = greeting_judge(*ret_text, *ret_size);
	}
	return greeting;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	struct endpoint endpoint = ENDPOINT_NULL;
	struct call call = CALL_NULL;
	_cleanup_(freep) char *text = NULL;
	const char *detail = NULL;
	size_t text_size;
	int next = next_descriptor();

	if (size == 0)
		return 0;
	next_speech = (struct speech){bytes + 1, size - 1};
	n_connections = 0;
	enum greeting greeting = judge_speeches(next_speech, &text, &text_size);
	enum refusal refusal = call_open(&endpoint, true, &call, &detail);
	check(n_connections >= 1 && n_connections <= 2);
	if (refusal == REFUSAL_NONE) {
		check(greeting == GREETING_GOOD || greeting == GREETING_ODD);
		const char *at = (const char *) memchr(text, '\n', text_size) + 1;
		bool is_own = bytes[0] & 1;
		size_t limit = (is_own ? OWN_MAX : HEAP_MAX) >> (bytes[0] >> 1 & 7);

		take_lines(&call, is_own, limit, at, text_size - (size_t) (at - text));
	} else {
		check(greeting != GREETING_GOOD && call.fd < 0);
		if (refusal == REFUSAL_BUSY) /* In place of a greeting: it has no room. */
			check(memmem(text, text_size, "\"code\":\"busy\"", 13));
		else
			check(refusal == REFUSAL_AGENT_UNREACHABLE && detail);
	}
	call_close(&call);
	check(next_descriptor() == next);
	return 0;
}
