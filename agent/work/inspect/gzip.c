#include "gzip.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "agent/work/inspect/fault.h"
#include "agent/work/memory_file.h"

/*
 * A bomb is small and unpacks to what nobody has room for. Crates.io takes 512 MiB, or
 * the size of the file where that is more. Text packs 3 to 10 times, zeros 1000 times:
 * beyond a size at which zeros are still an honest test file, a large ratio is none.
 */
#define UNPACKED_MAX ((uint64_t) 512 * 1024 * 1024)
#define HONEST_ZEROS_MAX ((uint64_t) 64 * 1024 * 1024)
#define RATIO_MAX 200

/* Sixteen more than the window's bits: a gzip header is asked for, and nothing else taken. */
#define WINDOW_BITS (15 + 16)

struct gzip {
	struct sealed_file file;
	uint64_t taken;
	uint64_t unpacked;
	z_stream stream;
	bool is_open;
	bool is_over;
	unsigned char in[GZIP_CHUNK_SIZE];
	unsigned char out[GZIP_CHUNK_SIZE];
};

int gzip_new(const struct sealed_file *file, struct gzip **ret) {
	_cleanup_(gzip_freep) struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return -ENOMEM;
	gzip->file = *file;
	if (inflateInit2(&gzip->stream, WINDOW_BITS) != Z_OK)
		return -ENOMEM;
	gzip->is_open = true;
	*ret = TAKE_PTR(gzip);
	return 0;
}

struct gzip *gzip_free(struct gzip *gzip) {
	if (gzip && gzip->is_open)
		(void) inflateEnd(&gzip->stream); /* Fails only for streams that are none. */
	free(gzip);
	return NULL;
}

/* More bytes of the file for zlib; none at its end. */
static int gzip_fill(struct gzip *gzip) {
	ssize_t n;

	do
		n = pread(gzip->file.fd, gzip->in, sizeof(gzip->in), (off_t) gzip->taken);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	gzip->taken += (uint64_t) n;
	gzip->stream.next_in = gzip->in;
	gzip->stream.avail_in = (unsigned) n;
	return 0;
}

static int gzip_check_size(const struct gzip *gzip, struct fault *fault) {
	uint64_t max = gzip->file.size > UNPACKED_MAX ? gzip->file.size : UNPACKED_MAX;

	if (gzip->unpacked > max)
		return fault_invalid(fault, "it unpacks to more than %llu MiB",
			(unsigned long long) (max >> 20));
	if (gzip->unpacked > HONEST_ZEROS_MAX && gzip->unpacked / RATIO_MAX > gzip->file.size)
		return fault_invalid(fault, "it unpacks to more than %d times its size", RATIO_MAX);
	return 0;
}

/* What zlib says of a stream that is not in order. */
static int gzip_fail(const struct gzip *gzip, int status, struct fault *fault) {
	if (status == Z_MEM_ERROR)
		return -ENOMEM;
	if (gzip->stream.total_out == 0 && gzip->stream.total_in < 4)
		return fault_invalid(fault, "it is no gzip file");
	return fault_invalid(fault, "its gzip stream is damaged");
}

static int gzip_step(struct gzip *gzip, struct fault *fault) {
	if (gzip->stream.avail_in == 0) {
		int r = gzip_fill(gzip);
		if (r < 0)
			return r;
		if (gzip->stream.avail_in == 0)
			return fault_invalid(fault, "its gzip stream is cut short");
	}
	int status = inflate(&gzip->stream, Z_NO_FLUSH);
	if (status == Z_STREAM_END)
		gzip->is_over = true;
	else if (status != Z_OK && status != Z_BUF_ERROR)
		return gzip_fail(gzip, status, fault);
	return 0;
}

int gzip_read(struct gzip *gzip, const void **ret, size_t *ret_size, struct fault *fault) {
	gzip->stream.next_out = gzip->out;
	gzip->stream.avail_out = sizeof(gzip->out);

	while (!gzip->is_over && gzip->stream.avail_out > 0) {
		int r = gzip_step(gzip, fault);
		if (r < 0)
			return r;
	}
	size_t n = sizeof(gzip->out) - gzip->stream.avail_out;
	if (n > 0) {
		gzip->unpacked += n;
		*ret = gzip->out;
		*ret_size = n;
		int r = gzip_check_size(gzip, fault);
		return r < 0 ? r : 1;
	}
	if (gzip->stream.avail_in > 0 || gzip->taken < gzip->file.size)
		return fault_invalid(fault, "there is more behind its gzip member");
	return 0;
}
