#pragma once

/* What a server's answer means for the errand that fetched it. */

#include "protocol/refusal.h"

struct fields;
struct http_answer;
struct net_task;

/* Fills `answer`, or returns a refusal and perhaps a text in *ret_detail. */
enum refusal errand_read(const struct net_task *task, const struct http_answer *http,
	struct fields *answer, char **ret_detail);
