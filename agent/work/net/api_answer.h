#pragma once

/*
 * What the API's answer to an act means. Done and refused are what the registry
 * said in a form that it can only mean so; all else is unknown.
 */

#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/refusal.h"

struct http_answer;
struct json;
struct net_task;

/* Longest text of a registry that is handed on: crates.io explains at length what it refuses. */
#define API_WORDS_MAX 1000u

struct api_answer {
	enum outcome outcome;
	enum refusal code; /* REFUSAL_NONE if it was done */
	enum hint hint;
	uint64_t retry_after;  /* Unix time, or 0 */
	char *detail;	       /* these three: cleaned, without the token, or NULL */
	char *message;	       /* of a success */
	char *warnings;	       /* of a publish, a line each */
	struct json *document; /* the answer, if it is JSON */
};

#define API_ANSWER_NULL ((struct api_answer){.outcome = OUTCOME_UNKNOWN})

/*
 * Reads the answer to a task for the API, of which errand, URL and token count.
 * 0 or -ENOMEM. End *answer in any case.
 */
int api_answer_read(const struct net_task *task, const struct http_answer *http, uint64_t now,
	struct api_answer *answer);
void api_answer_done(struct api_answer *answer);
