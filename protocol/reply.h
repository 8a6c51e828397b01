#pragma once

/* One answer: composed by the agent, read by clients. */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"
#include "kind.h"
#include "refusal.h"

struct json;
struct json_writer;
struct secret;

/* What the agent says first on every connection. */
#define REPLY_GREETING "{\"v\":[1]}\n"
/* The answer to `read` that is no token; sent by cargo nowhere but to an index that answered 401. */
#define REPLY_PLACEHOLDER "cpub-placeholder-not-a-token"

/* Opens `{"Ok":{"kind":…`; the caller writes further members, then reply_ok_end. */
void reply_ok_begin(struct json_writer *writer, enum kind kind);
void reply_ok_end(struct json_writer *writer);

/* A whole Err line. `detail` and `message` may be NULL: see reply.c for the shape. */
void reply_refusal(
	struct json_writer *writer, enum refusal refusal, const char *message, const char *detail);

/*
 * A whole answer to `get`. `may_cache`: cargo may keep the token for reads until
 * it exits. The writer must be a secret one unless it is the placeholder.
 */
void reply_token(struct json_writer *writer, const void *token, size_t size, bool may_cache);

/* What a client makes of a line. */
struct reply {
	struct json *json;
	/* The object behind Ok; NULL for an error. */
	const struct json *ok;
	enum refusal refusal; /* REFUSAL_NONE for Ok; _REFUSAL_INVALID for a code unknown to us */
	const char *message;  /* borrowed; never NULL for an error */
	const char *detail;   /* first of caused-by, borrowed, or NULL */
};

/* 0 and *ret (caller frees), -EBADMSG for what is no answer, -ENOMEM. */
int reply_parse(const char *line, size_t size, struct reply **ret);
struct reply *reply_free(struct reply *reply);
DEFINE_CLEANUP(struct reply, reply_free)
