#pragma once

/* How an act asks the API for what it wants: as cargo's client does (crates/crates-io/lib.rs). */

#include <stdint.h>

#include "http_body.h"
#include "protocol/json.h"

struct net_task;

struct api_request {
	const char *method;
	const char *content_type; /* NULL for none */
	char *url;
	bool has_body;
	struct http_body body;
	struct json_writer json; /* what the body borrows, with the next */
	uint8_t sizes[2][4];
};

/*
 * Fills *ret, which borrows the task's files, and is ended by api_request_done
 * in any case. The task is one for the API, and was checked. 0 or a negative errno.
 */
int api_request_build(const struct net_task *task, struct api_request *ret);
void api_request_done(struct api_request *request);
