#pragma once

/*
 * One request. Nothing but what it says decides where it goes: no redirect is
 * followed, no environment, netrc, cookie or cache is looked at, and it is sent
 * once at most.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_answer.h"
#include "protocol/refusal.h"

struct http_body;
struct secret;

struct http_request {
	const char *method; /* GET, PUT or DELETE */
	const char *url;    /* https, or http as the caller answers for */
	const char *accept;
	const char *content_type;   /* NULL for none */
	struct http_body *body;	    /* NULL for none; read once */
	const struct secret *token; /* goes to this URL alone, as it is; checked by the caller */
	const char *ca_pem;	    /* the only CAs that count; NULL: those of the system */
	const char *proxy;	    /* NULL for none */
	uint64_t timeout_msec;	    /* for all of it */
	uint64_t idle_msec; /* without a byte, or twice that after the last one; 0: no limit */
	size_t body_max;    /* of the answer */
	bool takes_cut;	    /* an answer that broke off behind its headers is one, too */
	/* Told often how much of the body has left. A negative errno ends it all. May be NULL. */
	int (*on_progress)(uint64_t done, uint64_t total);
};

/*
 * REFUSAL_NONE and *ret (end it with http_answer_done) for an answer of any
 * status, also for one that was left at a limit: body and headers are then not
 * whole. Else why there is none, and perhaps a text in *ret_detail. In any case
 * *ret_has_left says whether a byte of the request can have left: not before the
 * connection stood, with TLS and all.
 */
enum refusal http_send(const struct http_request *request, struct http_answer *ret,
	bool *ret_has_left, char **ret_detail);
