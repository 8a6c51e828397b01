#include "api_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* How each errand asks. */
static const struct {
	const char *method;
	const char *path; /* behind /api/v1/ */
	const char *content_type;
	bool has_body; /* for a PUT perhaps an empty one */
} shapes[_ERRAND_MAX] = {
	[ERRAND_PUBLISH] = {"PUT", "crates/new", "application/octet-stream", true},
	[ERRAND_YANK] = {"DELETE", "yank", NULL, false},
	[ERRAND_UNYANK] = {"PUT", "unyank", NULL, true},
	[ERRAND_OWNERS_ADD] = {"PUT", "owners", "application/json", true},
	[ERRAND_OWNERS_REMOVE] = {"DELETE", "owners", "application/json", true},
	[ERRAND_OWNERS_LIST] = {"GET", "owners", NULL, false},
	[ERRAND_REVOKE] = {"DELETE", "tokens/current", NULL, false},
};

void api_request_done(struct api_request *request) {
	free(request->url);
	json_writer_done(&request->json);
	*request = (struct api_request){0};
}

/* Names and versions have no byte that a path does not have as it is. */
static int api_request_put_url(const struct net_task *task, struct api_request *request) {
	const char *path = shapes[task->errand].path;
	int n = -1;

	switch (task->errand) {
	case ERRAND_PUBLISH:
		n = asprintf(&request->url, "%s/api/v1/%s", task->url, path);
		break;
	case ERRAND_REVOKE:
		if (net_task_has_trusted_token(task))
			path = "trusted_publishing/tokens";
		n = asprintf(&request->url, "%s/api/v1/%s", task->url, path);
		break;
	case ERRAND_YANK:
	case ERRAND_UNYANK:
		n = asprintf(&request->url, "%s/api/v1/crates/%s/%s/%s", task->url, task->crate,
			task->version, path);
		break;
	case ERRAND_OWNERS_ADD:
	case ERRAND_OWNERS_REMOVE:
	case ERRAND_OWNERS_LIST:
		n = asprintf(&request->url, "%s/api/v1/crates/%s/%s", task->url, task->crate, path);
		break;
	case ERRAND_CONFIG:
	case ERRAND_PROBE:
	case ERRAND_CRATE:
	case ERRAND_CLOCK:
	case _ERRAND_MAX:
		return -EINVAL;
	}
	if (n >= 0)
		return 0;
	request->url = NULL;
	return -ENOMEM;
}

/* {"users":["a","github:o:t"]}, without the newline that ends a line of ours. */
static int api_request_put_users(const struct net_task *task, struct api_request *request) {
	struct json_writer *json = &request->json;

	json_writer_init(json, false);
	json_write_object(json, NULL);
	json_write_array(json, "users");
	for (const char *user = task->users; *user;) {
		size_t size = strcspn(user, "\n");
		json_write_bytes(json, NULL, user, size);
		user += size + (user[size] == '\n');
	}
	json_write_array_end(json);
	json_write_object_end(json);
	int r = json_writer_finish(json);
	if (r < 0)
		return r;
	request->body.pieces[0] =
		(struct http_piece){.bytes = json_writer_bytes(json), .size = json->size - 1};
	request->body.n_pieces = 1;
	return 0;
}

/* u32 size, metadata, u32 size, crate file; nothing after them. */
static void api_request_put_files(const struct net_task *task, struct api_request *request) {
	for (size_t i = 0; i < 2; i++) {
		for (size_t byte = 0; byte < 4; byte++)
			request->sizes[i][byte] = (uint8_t) (task->sizes[i] >> (8 * byte));
		request->body.pieces[2 * i] =
			(struct http_piece){.bytes = request->sizes[i], .size = 4};
		request->body.pieces[2 * i + 1] =
			(struct http_piece){.fd = task->fds[i], .size = task->sizes[i]};
	}
	request->body.n_pieces = 4;
}

int api_request_build(const struct net_task *task, struct api_request *ret) {
	ret->method = shapes[task->errand].method;
	ret->content_type = shapes[task->errand].content_type;
	ret->has_body = shapes[task->errand].has_body;
	if (task->errand == ERRAND_PUBLISH)
		api_request_put_files(task, ret);
	if (task->errand == ERRAND_OWNERS_ADD || task->errand == ERRAND_OWNERS_REMOVE) {
		int r = api_request_put_users(task, ret);
		if (r < 0)
			return r;
	}
	return api_request_put_url(task, ret);
}
