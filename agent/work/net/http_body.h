#pragma once

/* What a request carries: pieces in memory and of files, read as they are sent. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_PIECES_MAX 4u

/* `size` bytes in memory, or from the start of a file. Borrowed. */
struct http_piece {
	const void *bytes; /* NULL: those of `fd` */
	int fd;
	uint64_t size;
};

struct http_body {
	struct http_piece pieces[HTTP_PIECES_MAX];
	size_t n_pieces;
	size_t at;	 /* the piece that comes next */
	uint64_t offset; /* in that piece */
};

#define HTTP_BODY_NULL ((struct http_body){0})

/* 0 for NULL, too. */
uint64_t http_body_size(const struct http_body *body);

/*
 * Takes up to `size` bytes, the next ones. Returns how many, 0 at the end, or a
 * negative errno: -EIO also for a file that is shorter than its piece.
 */
ssize_t http_body_read(struct http_body *body, void *bytes, size_t size);
