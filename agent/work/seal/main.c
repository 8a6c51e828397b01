/*
 * worker-seal: copies a crate file that a client lent into memory and seals it there,
 * so that what is looked into, approved and sent are the same bytes. The lent file is
 * the client's: it may shrink, grow or change under the copy, and a read may wait for
 * whoever serves the file. So it is read once, in order, and the checksum is of what
 * was written; if a read does not return, the core ends this process.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/work/memory_file.h"
#include "agent/work/sandbox.h"
#include "agent/work/sha256.h"
#include "agent/work/worker.h"

#define CHUNK_SIZE ((size_t) 64 * 1024)
/* How often it says that it goes on. */
#define TELL_MSEC 100

/* A copy on its way. */
struct copy {
	int from;
	int to;
	uint64_t size; /* what the file said at first */
	uint64_t done;
	int64_t told_msec;
	struct sha256 *sum;
	char *chunk;
};

static void copy_done(struct copy *copy) {
	copy->sum = sha256_free(copy->sum);
	free(copy->chunk);
}

static enum refusal refuse(char **ret_detail, const char *why) {
	*ret_detail = strdup(why);
	return REFUSAL_CRATE_INVALID;
}

static enum refusal refuse_too_large(uint64_t size, uint64_t size_max, char **ret_detail) {
	if (asprintf(ret_detail, "it has %llu bytes; %llu are allowed", (unsigned long long) size,
		    (unsigned long long) size_max) < 0)
		*ret_detail = NULL;
	return REFUSAL_CRATE_TOO_LARGE;
}

static int64_t now_msec(void) {
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail for this clock. */
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void copy_tell(struct copy *copy) {
	int64_t now = now_msec();

	if (now - copy->told_msec < TELL_MSEC)
		return;
	copy->told_msec = now;
	worker_tell_progress();
}

/* Before the first byte is copied: the core sees whether there is room for all of them. */
static void copy_tell_size(const struct copy *copy) {
	_cleanup_(fields_freep) struct fields *progress = NULL;

	/* What cannot be told now is missed by the core, which then takes nothing of us. */
	if (fields_new(&progress) == 0 && fields_put_u64(progress, FIELD_TOTAL, copy->size) == 0)
		(void) worker_tell(progress);
}

/* The next bytes of the file, wherever the descriptor stands: how many, or a negative errno. */
static ssize_t copy_read(struct copy *copy) {
	ssize_t n;

	do
		n = pread(copy->from, copy->chunk, CHUNK_SIZE, (off_t) copy->done);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static enum refusal refusal_of_write(int error) {
	return error == -ENOSPC || error == -ENOMEM || error == -EFBIG ? REFUSAL_NO_ROOM
								       : REFUSAL_INTERNAL;
}

static enum refusal copy_run(struct copy *copy, char **ret_detail) {
	for (;;) {
		ssize_t n = copy_read(copy);
		if (n < 0)
			return refuse(ret_detail, "the file cannot be read");
		if (n == 0)
			break;
		/* Before it is written: a file that grows for ever ends here. */
		if ((uint64_t) n > copy->size - copy->done)
			return refuse(ret_detail, "the file grew while it was read");
		int r = memory_file_write(copy->to, copy->chunk, (size_t) n);
		if (r < 0)
			return refusal_of_write(r);
		sha256_add(copy->sum, copy->chunk, (size_t) n);
		copy->done += (uint64_t) n;
		copy_tell(copy);
	}
	if (copy->done < copy->size)
		return refuse(ret_detail, "the file shrank while it was read");
	return REFUSAL_NONE;
}

/* Asks for sizes, for which the sandbox has no call; nothing is read yet. */
static enum refusal copy_begin(struct copy *copy, uint64_t size_max, char **ret_detail) {
	struct stat status;

	if (memory_file_check_empty(copy->to) < 0)
		return REFUSAL_INTERNAL;
	if (fstat(copy->from, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size < 0)
		return refuse(ret_detail, "it is no regular file");
	if (status.st_size == 0)
		return refuse(ret_detail, "the file is empty");
	copy->size = (uint64_t) status.st_size;
	if (copy->size > size_max)
		return refuse_too_large(copy->size, size_max, ret_detail);
	copy->told_msec = now_msec();
	copy_tell_size(copy);
	copy->chunk = malloc(CHUNK_SIZE);
	int r = copy->chunk ? sha256_new(&copy->sum) : -ENOMEM;
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static enum refusal copy_answer(struct copy *copy, struct fields *answer) {
	char checksum[SHA256_HEX_SIZE];

	sha256_take_hex(copy->sum, checksum);
	int r = memory_file_seal(copy->to);
	if (r == 0)
		r = fields_put_u64(answer, FIELD_SIZE, copy->done);
	if (r == 0)
		r = fields_put_string(answer, FIELD_CHECKSUM, checksum);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static enum refusal seal_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(copy_done) struct copy copy = {0};
	uint64_t size_max;

	if (n_fds != 2 || fields_get_u64(task, FIELD_SIZE_MAX, &size_max) < 0)
		return REFUSAL_INTERNAL;
	copy.from = fds[0];
	copy.to = fds[1];
	enum refusal refusal = copy_begin(&copy, size_max, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	int r = sandbox_enter(SANDBOX_SEAL);
	if (r < 0)
		return refusal_from_errno(r);
	refusal = copy_run(&copy, ret_detail);
	return refusal == REFUSAL_NONE ? copy_answer(&copy, answer) : refusal;
}

int main(void) {
	return worker_run(seal_work);
}
