#pragma once

/* What an answer's headers tell beside its errand. */

struct fields;
struct http_answer;
struct net_task;

/*
 * Puts FIELD_DATE, if the answer has a date that can be read; and FIELD_CHALLENGE, if it is a
 * 401 or 403 (RFC 3231) that wants a challenge to be claimed, in a form that can be, and without the token in it.
 * 0 or a negative errno.
 */
int headers_put(
	const struct net_task *task, const struct http_answer *http, struct fields *answer);
