/*
 * worker-read: takes the first line out of a pipe that a client lent. A process
 * of its own, because a read may wait for whoever holds the pipe, whatever its
 * flags say: then the core ends it, and nobody else has waited.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "protocol/names.h"
#include "protocol/secret.h"

/* The line, its end, and one byte that shows it to be too long. */
#define SIZE_MAX_TAKEN (TOKEN_MAX + 3)

/* Reads until the first newline, the end, or all that there is room for. The size, or -errno. */
static ssize_t read_line(int fd, uint8_t *bytes, size_t room) {
	size_t size = 0;

	while (size < room && !memchr(bytes, '\n', size)) {
		ssize_t n = read(fd, bytes + size, room - size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0)
			size += (size_t) n;
	}
	return (ssize_t) size;
}

static enum refusal read_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(secret_freep) struct secret *line = NULL;

	(void) task;
	(void) ret_detail;
	int r = sandbox_enter(SANDBOX_KDF); /* It needs as little. */
	if (r < 0)
		return refusal_from_errno(r);
	if (n_fds != 1)
		return REFUSAL_INTERNAL;
	r = secret_new(SIZE_MAX_TAKEN, &line);
	if (r < 0)
		return refusal_from_errno(r);

	uint8_t *bytes = secret_bytes(line);
	ssize_t n = read_line(fds[0], bytes, SIZE_MAX_TAKEN);
	if (n < 0)
		return REFUSAL_BAD_DESCRIPTOR;
	/* The end of the stream ends the line as well. */
	const uint8_t *end = memchr(bytes, '\n', (size_t) n);
	size_t size = end ? (size_t) (end - bytes) : (size_t) n;
	if (end && size > 0 && bytes[size - 1] == '\r')
		size--;
	if (size == 0 || size > TOKEN_MAX)
		return REFUSAL_BAD_TOKEN;
	secret_shrink(line, size);
	r = fields_put_secret(answer, FIELD_SECRET, line);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

int main(void) {
	return worker_run(read_work);
}
