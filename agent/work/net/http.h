#pragma once

/*
 * One GET of a small document. Nothing but the request decides where it goes:
 * no redirect is followed, no environment, netrc, cookie or cache is looked at.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/refusal.h"

/* Longest answer that is taken: body and headers, each. */
#define HTTP_ANSWER_MAX ((size_t) 64 * 1024)

struct http_request {
	const char *url;    /* https, or http as the caller answers for */
	const char *ca_pem; /* the only CAs that count; NULL: those of the system */
	const char *proxy;  /* NULL for none */
	uint64_t timeout_msec;
};

struct http_answer {
	long status;
	char *body;
	size_t body_size;
	char *location;	 /* raw header value, or NULL */
	char *challenge; /* raw WWW-Authenticate values, joined by ", ", or NULL */
};

#define HTTP_ANSWER_NULL ((struct http_answer){0})

/*
 * REFUSAL_NONE and *ret (end it with http_answer_done) for an answer of any
 * status; else why there is none, and perhaps a text in *ret_detail.
 */
enum refusal http_get(
	const struct http_request *request, struct http_answer *ret, char **ret_detail);
void http_answer_done(struct http_answer *answer);
