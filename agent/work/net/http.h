#pragma once

/*
 * One GET of a small document. Nothing but the request decides where it goes:
 * no redirect is followed, no environment, netrc, cookie or cache is looked at.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/refusal.h"

struct secret;

/* Most bytes that are taken of an answer's headers. */
#define HTTP_HEADERS_MAX ((size_t) 64 * 1024)

struct http_request {
	const char *url; /* https, or http as the caller answers for */
	const char *accept;
	const struct secret *token; /* goes to this URL alone, as it is; checked by the caller */
	const char *ca_pem;	    /* the only CAs that count; NULL: those of the system */
	const char *proxy;	    /* NULL for none */
	uint64_t timeout_msec;
	size_t body_max;
};

struct http_answer {
	long status;
	char *body;
	size_t body_size;
	size_t broken_limit; /* 0, or how many bytes were too few for what the server sent */
	char *location;	     /* raw header value, or NULL */
	char *challenge;     /* raw WWW-Authenticate values, joined by ", ", or NULL */
};

#define HTTP_ANSWER_NULL ((struct http_answer){0})

/*
 * REFUSAL_NONE and *ret (end it with http_answer_done) for an answer of any
 * status, also for one that was left at a limit: body and headers are then not
 * whole. Else why there is none, and perhaps a text in *ret_detail.
 */
enum refusal http_get(
	const struct http_request *request, struct http_answer *ret, char **ret_detail);
void http_answer_done(struct http_answer *answer);
