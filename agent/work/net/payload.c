#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "http_body.h"
#include "protocol/cleanup.h"
#include "protocol/json.h"
#include "task.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
/* crates.io takes no more (src/controllers/krate/publish.rs). */
#define METADATA_MAX ((size_t) 1024 * 1024)

uint32_t payload_file_size(int fd) {
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return 0;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return 0;
	if (status.st_size < 0 || (uintmax_t) status.st_size > UINT32_MAX)
		return 0;
	return (uint32_t) status.st_size;
}

static int payload_load(int fd, char *text, size_t size) {
	struct http_body body = {.pieces = {{.fd = fd, .size = size}}, .n_pieces = 1};

	for (size_t n = 0; n < size;) {
		ssize_t got = http_body_read(&body, text + n, size - n);
		if (got <= 0)
			return got < 0 ? (int) got : -EIO;
		n += (size_t) got;
	}
	return 0;
}

/*
 * Whoever wrote it had read a stranger's archive. That it begins so and names no
 * member twice makes sure that every registry reads the name that was approved.
 */
static enum refusal payload_check_metadata(const struct net_task *task, char **ret_detail) {
	_cleanup_(freep) char *start = NULL, *text = NULL;
	size_t size = task->sizes[NET_METADATA];

	if (asprintf(&start, "{\"name\":\"%s\",\"vers\":\"%s\",", task->crate, task->version) < 0) {
		start = NULL;
		return REFUSAL_NO_MEMORY;
	}
	text = malloc(size);
	if (!text)
		return REFUSAL_NO_MEMORY;
	int r = payload_load(task->fds[NET_METADATA], text, size);
	if (r < 0)
		return refusal_from_errno(r);
	if (size < strlen(start) || memcmp(text, start, strlen(start)) != 0) {
		*ret_detail = strdup("the metadata is of another crate or version");
		return REFUSAL_CRATE_INVALID;
	}
	r = json_scan(text, size);
	if (r == -EBADMSG) {
		*ret_detail = strdup("the metadata is not strict JSON");
		return REFUSAL_CRATE_INVALID;
	}
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

enum refusal payload_check(const struct net_task *task, char **ret_detail) {
	if (task->sizes[NET_METADATA] == 0 || task->sizes[NET_CRATE] == 0) {
		*ret_detail =
			strdup("a file that is to be sent is not sealed, or is empty or too large");
		return REFUSAL_CRATE_INVALID;
	}
	if (task->sizes[NET_METADATA] > METADATA_MAX) {
		*ret_detail = strdup("the metadata is longer than 1024 KiB");
		return REFUSAL_CRATE_INVALID;
	}
	return payload_check_metadata(task, ret_detail);
}
