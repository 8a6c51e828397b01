#pragma once

/*
 * One connection to the agent, from the client's side: the greeting, then a
 * line there and a line back, again and again. Every wait ends at a deadline
 * of the monotonic clock. libc only: the provider links this.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/refusal.h"

struct endpoint;

/* Longest answer that the command line takes. */
#define CALL_ANSWER_MAX ((size_t) 64 * 1024 * 1024)
/* Descriptors that go with one request: a terminal, and a pipe or a file. */
#define CALL_FDS_MAX 2
#define CALL_USEC_PER_SEC UINT64_C(1000000)

struct call {
	int fd;
};

#define CALL_NULL ((struct call){.fd = -1})

/*
 * Where an answer goes. With capacity == limit the bytes are the caller's own
 * piece of memory and are never moved; else they are a heap buffer (NULL at
 * first) that grows to the limit and that the caller frees.
 */
struct call_buffer {
	char *bytes;
	size_t size;
	size_t capacity;
	size_t limit;
};

/* So many microseconds from now, for the functions below. */
uint64_t call_deadline(uint64_t usec);
/* poll(2) until then: the number of ready descriptors, -ETIMEDOUT, or a negative errno. */
int call_poll(struct pollfd *fds, nfds_t n_fds, uint64_t deadline_usec);

/*
 * Opens the endpoint, connects, and takes the greeting. Where nobody listens,
 * starts the agent if `may_start` and the socket was not given by name. Returns
 * REFUSAL_NONE and the connection in *ret, or the refusal to show, with a
 * static text in *ret_detail that says what happened (NULL if there is no more
 * to say).
 */
enum refusal call_open(
	struct endpoint *endpoint, bool may_start, struct call *ret, const char **ret_detail);
void call_close(struct call *call);

/*
 * Sends one line, its newline included, with the descriptors on its first
 * byte. Returns 0, -EPIPE or -ECONNRESET if the agent has left, -EPROTO if it
 * spoke unasked, -ETIMEDOUT, or another negative errno.
 */
int call_send(struct call *call, const char *line, size_t size, const int *fds, size_t n_fds,
	uint64_t deadline_usec);

/*
 * Waits for the first byte of the answer, and takes none. Returns 0;
 * -EPIPE or -ECONNRESET if the agent left without one, as it does when it was
 * just going: call_open and call_send once more; -ECANCELED if `watched_fd`
 * (-1 for none) lost its reader; -ETIMEDOUT; or another negative errno.
 */
int call_wait(struct call *call, int watched_fd, uint64_t deadline_usec);

/*
 * Takes one line, its newline included. What comes behind it stays for the
 * next call. Returns 0; as call_wait, if there was no byte; -EBADMSG if the
 * agent left in the middle of the line; -EMSGSIZE if it is longer than the
 * limit; -ENOMEM. After a failure close the connection.
 */
int call_receive(
	struct call *call, int watched_fd, uint64_t deadline_usec, struct call_buffer *buffer);

/* The failures of call_send and call_wait after which one more try is right. */
bool call_was_left(int error);
