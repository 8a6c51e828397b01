#pragma once

/* A server's answer while it comes in, line by line and piece by piece. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes that are taken of an answer's headers, those of interim answers (1xx) included. */
#define HTTP_HEADERS_MAX ((size_t) 64 * 1024)

struct http_answer {
	long status;
	char *body;
	size_t body_size;
	size_t body_capacity;
	size_t headers_size;
	size_t broken_limit; /* 0, or how many bytes were too few for what the server sent */
	uint64_t announced;  /* the body's size if it was said, else UINT64_MAX */
	bool is_chunked;     /* its body tells its own end */
	bool has_head;	     /* all headers of a final answer are there */
	bool is_final;	     /* the line of such an answer is there */
	bool is_whole;	     /* it is complete, and the server had all of the request by then */
	char *location;	     /* raw header value, or NULL */
	char *challenge;     /* raw WWW-Authenticate values, joined by ", ", or NULL */
	char *date;	     /* raw header value, or NULL */
	char *age;	     /* raw header value, or NULL */
	char *retry_after;   /* raw header value, or NULL */
};

#define HTTP_ANSWER_NULL ((struct http_answer){.announced = UINT64_MAX})

/* Each takes what came: 0, -E2BIG (broken_limit says which limit), -ENOMEM. */
int http_answer_take_line(struct http_answer *answer, const char *line, size_t size);
int http_answer_take_body(
	struct http_answer *answer, const char *bytes, size_t size, size_t size_max);

/* As much of a body is there as was announced. */
bool http_answer_has_body(const struct http_answer *answer);

void http_answer_done(struct http_answer *answer);
