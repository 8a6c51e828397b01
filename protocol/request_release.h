#pragma once

/* The part of request_read.c that is about acts at a registry. */

struct json;
struct request;

/*
 * Reads what goes with the request's kind. 0, a positive enum refusal, or a
 * negative errno: -EBADMSG for a member that is absent or of another type.
 */
int request_take_release(const struct json *root, struct request *request);
