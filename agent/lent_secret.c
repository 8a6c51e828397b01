/*
 * A read on the lent pipe could block when another reader was faster, and
 * O_NONBLOCK would change the client's own end. So the bytes are spliced, which
 * takes a flag for this one call, into a pipe of ours, and read from there.
 */

#include "lent_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/session.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define DEADLINE_USEC (10 * USEC_PER_SEC)
/* The line, its end, and one byte that shows it to be too long. */
#define SIZE_MAX_TAKEN (TOKEN_MAX + 3)

struct lent_secret {
	int pipe; /* borrowed from the session */
	int read_end, write_end;
	sd_event_source *io, *deadline;
	struct secret *bytes;
	size_t n_bytes;
	lent_secret_done_t done;
	void *userdata;
};

static void lent_secret_finish(struct lent_secret *lent, enum refusal refusal) {
	struct secret *secret = NULL;

	lent->io = sd_event_source_disable_unref(lent->io);
	lent->deadline = sd_event_source_disable_unref(lent->deadline);
	if (refusal == REFUSAL_NONE)
		secret = TAKE_PTR(lent->bytes);
	lent->done(refusal, secret, lent->userdata);
}

/* All is there: keeps the first line without its end. */
static void lent_secret_take_line(struct lent_secret *lent) {
	const uint8_t *bytes = secret_peek(lent->bytes);
	const uint8_t *end = memchr(bytes, '\n', lent->n_bytes);
	size_t size = end ? (size_t) (end - bytes) : lent->n_bytes;

	if (end && size > 0 && bytes[size - 1] == '\r')
		size--;
	if (size == 0 || size > TOKEN_MAX) {
		lent_secret_finish(lent, REFUSAL_BAD_TOKEN);
		return;
	}
	secret_shrink(lent->bytes, size);
	lent_secret_finish(lent, REFUSAL_NONE);
}

static int lent_secret_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	struct lent_secret *lent = userdata;
	size_t room = SIZE_MAX_TAKEN - lent->n_bytes;
	ssize_t moved, n;
	bool has_line;

	(void) source;
	(void) revents;
	moved = splice(fd, NULL, lent->write_end, NULL, room, SPLICE_F_NONBLOCK);
	if (moved < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (moved < 0) {
		lent_secret_finish(lent, REFUSAL_BAD_DESCRIPTOR);
		return 0;
	}
	if (moved == 0) { /* The end of the stream ends the line as well. */
		lent_secret_take_line(lent);
		return 0;
	}
	n = read(lent->read_end, secret_bytes(lent->bytes) + lent->n_bytes, (size_t) moved);
	if (n != moved) {
		lent_secret_finish(lent, REFUSAL_INTERNAL);
		return 0;
	}
	lent->n_bytes += (size_t) n;
	has_line = memchr(secret_peek(lent->bytes), '\n', lent->n_bytes);
	if (has_line || lent->n_bytes == SIZE_MAX_TAKEN)
		lent_secret_take_line(lent);
	return 0;
}

static int lent_secret_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	(void) source;
	(void) usec;
	lent_secret_finish(userdata, REFUSAL_BAD_TOKEN);
	return 0;
}

int lent_secret_new(struct session *session, lent_secret_done_t done, void *userdata,
	struct lent_secret **ret) {
	_cleanup_(lent_secret_freep) struct lent_secret *lent = NULL;
	int ends[2], r;

	if (session->pipe < 0)
		return -EBADF;
	lent = calloc(1, sizeof(*lent));
	if (!lent)
		return -ENOMEM;
	lent->pipe = session->pipe;
	lent->read_end = -1;
	lent->write_end = -1;
	lent->done = done;
	lent->userdata = userdata;
	r = secret_new(SIZE_MAX_TAKEN, &lent->bytes);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	lent->read_end = ends[0];
	lent->write_end = ends[1];
	r = sd_event_add_io(session->agent->event, &lent->io, lent->pipe, EPOLLIN,
		lent_secret_on_io, lent);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(session->agent->event, &lent->deadline, CLOCK_MONOTONIC,
		DEADLINE_USEC, 0, lent_secret_on_deadline, lent);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(lent);
	return 0;
}

struct lent_secret *lent_secret_free(struct lent_secret *lent) {
	if (!lent)
		return NULL;
	sd_event_source_disable_unref(lent->io);
	sd_event_source_disable_unref(lent->deadline);
	secret_free(lent->bytes);
	(void) fd_close(lent->read_end);
	(void) fd_close(lent->write_end);
	free(lent);
	return NULL;
}
