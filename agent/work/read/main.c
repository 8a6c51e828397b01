/*
 * worker-read: takes the first line out of a pipe that a client lent, or all that
 * comes before its end: a private key has lines. A process of its own, because a
 * read may wait for whoever holds the pipe, whatever its flags say: then the core
 * ends it, and nobody else has waited.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "protocol/names.h"
#include "protocol/secret.h"

/* A line, its end, and one byte that shows it to be too long. */
#define LINE_SIZE_MAX (TOKEN_MAX + 3)

/* Reads until the end, or all that there is room for, or the first newline. The size, or -errno. */
static ssize_t read_pipe(int fd, bool is_line, uint8_t *bytes, size_t room) {
	size_t size = 0;

	while (size < room && !(is_line && memchr(bytes, '\n', size))) {
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

/* The end of the stream ends the line as well. */
static enum refusal read_line(int fd, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *line = NULL;

	int r = secret_new(LINE_SIZE_MAX, &line);
	if (r < 0)
		return refusal_from_errno(r);
	uint8_t *bytes = secret_bytes(line);
	ssize_t n = read_pipe(fd, true, bytes, LINE_SIZE_MAX);
	if (n < 0)
		return REFUSAL_BAD_DESCRIPTOR;
	const uint8_t *end = memchr(bytes, '\n', (size_t) n);
	size_t size = end ? (size_t) (end - bytes) : (size_t) n;
	if (end && size > 0 && bytes[size - 1] == '\r')
		size--;
	if (size == 0 || size > TOKEN_MAX)
		return REFUSAL_BAD_TOKEN;
	secret_shrink(line, size);
	*ret = TAKE_PTR(line);
	return REFUSAL_NONE;
}

/* Exactly what comes: what of it is a key is for worker-sign to say. */
static enum refusal read_key(int fd, size_t size_max, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *key = NULL;

	/* One byte more shows it to be too long. */
	int r = secret_new(size_max + 1, &key);
	if (r < 0)
		return refusal_from_errno(r);
	ssize_t n = read_pipe(fd, false, secret_bytes(key), size_max + 1);
	if (n < 0)
		return REFUSAL_BAD_DESCRIPTOR;
	if (n == 0 || (size_t) n > size_max)
		return REFUSAL_BAD_KEY;
	secret_shrink(key, (size_t) n);
	*ret = TAKE_PTR(key);
	return REFUSAL_NONE;
}

static enum refusal read_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	uint64_t size_max;

	(void) ret_detail;
	int r = sandbox_enter(SANDBOX_KDF); /* It needs as little. */
	if (r < 0)
		return refusal_from_errno(r);
	int has_size_max = fields_get_u64(task, FIELD_SIZE_MAX, &size_max);
	if (n_fds != 1 || (has_size_max < 0 && has_size_max != -ENOENT) ||
		(has_size_max == 0 && size_max > KEY_TEXT_MAX))
		return REFUSAL_INTERNAL;
	enum refusal refusal = has_size_max == 0 ? read_key(fds[0], (size_t) size_max, &secret)
						 : read_line(fds[0], &secret);
	if (refusal != REFUSAL_NONE)
		return refusal;
	r = fields_put_secret(answer, FIELD_SECRET, secret);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

int main(void) {
	return worker_run(read_work);
}
