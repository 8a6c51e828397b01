#include "http_body.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

uint64_t http_body_size(const struct http_body *body) {
	uint64_t size = 0;

	for (size_t i = 0; body && i < body->n_pieces; i++)
		size += body->pieces[i].size;
	return size;
}

static ssize_t http_piece_read(
	const struct http_piece *piece, uint64_t offset, void *bytes, size_t size) {
	ssize_t n;

	if (piece->bytes) {
		memcpy(bytes, (const uint8_t *) piece->bytes + offset, size);
		return (ssize_t) size;
	}
	do
		n = pread(piece->fd, bytes, size, (off_t) offset);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return -EIO;
	return n < 0 ? -errno : n;
}

ssize_t http_body_read(struct http_body *body, void *bytes, size_t size) {
	while (body->at < body->n_pieces && body->offset == body->pieces[body->at].size) {
		body->at++;
		body->offset = 0;
	}
	if (body->at == body->n_pieces)
		return 0;

	const struct http_piece *piece = &body->pieces[body->at];
	uint64_t left = piece->size - body->offset;
	ssize_t n = http_piece_read(piece, body->offset, bytes, left < size ? (size_t) left : size);
	if (n > 0)
		body->offset += (uint64_t) n;
	return n;
}
