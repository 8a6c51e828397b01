/*
 * Two bytes that choose errand and status, one of flags, then an answer as it
 * comes: lines of headers, an empty one, a body. Done is only what a whole 2xx says,
 * and cut off it is not; what a server fails at is refused in one case alone; a token
 * is dead at crates.io alone, with one status. Texts are clean, short, and without the token.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/work/net/api_answer.h"
#include "agent/work/net/http_answer.h"
#include "agent/work/net/task.h"
#include "agent/work/net/words.h"
#include "protocol/cleanup.h"
#include "protocol/secret.h"
#include "tests/fuzz/fuzz.h"

#define TOKEN "cioABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
#define NOW UINT64_C(1752868800)
#define YEAR (UINT64_C(366) * 86400)
#define BODY_MAX ((size_t) 1024 * 1024)
#define WARNINGS_MAX ((size_t) 64 * 1024)

static const long statuses[] = {
	0, 101, 200, 201, 204, 299, 302, 400, 401, 403, 404, 408, 422, 429, 500, 502, 503, 999};

/* Takes the headers; what is left of the input is the body. */
static void take_head(struct http_answer *answer, const char **bytes, size_t *size) {
	check(http_answer_take_line(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
	while (*size > 0 && !answer->has_head) {
		const char *newline = memchr(*bytes, '\n', *size);
		size_t line_size = newline ? (size_t) (newline - *bytes) + 1 : *size;
		/* libcurl gives no line with a NUL. */
		_cleanup_(freep) char *line = strndup(*bytes, line_size);
		check(line);
		int r = http_answer_take_line(answer, line, strlen(line));
		check(r == 0 || (r == -E2BIG && answer->broken_limit == HTTP_HEADERS_MAX));
		*bytes += line_size;
		*size -= line_size;
	}
	check(answer->headers_size <= HTTP_HEADERS_MAX);
}

static void check_text(
	const char *text, size_t size_max, const char *more, const struct secret *token) {
	if (!text)
		return;
	check(strlen(text) > 0 && strlen(text) <= size_max);
	check(!words_repeat(text, strlen(text), token));
	for (; *text; text++)
		check((*text >= ' ' && *text <= '~') || strchr(more, *text));
}

static bool status_is_done(enum errand errand, long status) {
	return status == 200 || status == 204 || (status == 201 && errand != ERRAND_REVOKE);
}

static void check_outcome(const struct net_task *task, const struct http_answer *http,
	const struct api_answer *answer) {
	enum errand errand = task->errand;
	long status = http->status;

	check((answer->outcome == OUTCOME_DONE) == (answer->code == REFUSAL_NONE));
	check(answer->outcome != OUTCOME_DONE || answer->hint == HINT_NONE);
	if (answer->outcome == OUTCOME_DONE)
		check(http->is_whole && status_is_done(errand, status));
	if (answer->outcome == OUTCOME_REFUSED && (status >= 500 || status == 408))
		check(errand == ERRAND_OWNERS_LIST ||
			(status == 503 && answer->code == REFUSAL_REGISTRY_UNAVAILABLE));
	if (answer->outcome == OUTCOME_UNKNOWN)
		check(answer->code == REFUSAL_OUTCOME_UNKNOWN ||
			answer->code == REFUSAL_ANSWER_INVALID);
	if (errand == ERRAND_REVOKE && answer->code == REFUSAL_TOKEN_UNKNOWN)
		check(status == 403 && strcmp(task->url, "https://crates.io") == 0);
	if (answer->retry_after > 0)
		check(answer->retry_after + YEAR > NOW && answer->retry_after <= NOW + YEAR);
}

static void read_answer(
	const struct net_task *task, const struct http_answer *http, struct api_answer *ret) {
	check(api_answer_read(task, http, NOW, ret) == 0);
	check_outcome(task, http, ret);
	check_text(ret->detail, API_WORDS_MAX, "", task->token);
	check_text(ret->message, API_WORDS_MAX, "", task->token);
	check_text(ret->warnings, WARNINGS_MAX, "\n", task->token);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
	static char crates_io[] = "https://crates.io", other[] = "https://crates.io.example";
	_cleanup_(http_answer_done) struct http_answer http = HTTP_ANSWER_NULL;
	_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL,
						     cut = API_ANSWER_NULL;
	_cleanup_(secret_freep) struct secret *token = NULL;
	const char *bytes = (const char *) input + 3;

	if (size < 3)
		return 0;
	if (input[2] & 1)
		check(secret_from(TOKEN, strlen(TOKEN), &token) == 0);
	const struct net_task task = {
		.errand = ERRAND_PUBLISH + input[0] % (_ERRAND_MAX - ERRAND_PUBLISH),
		.token = token,
		.url = input[2] & 2 ? crates_io : other,
	};
	size -= 3;
	take_head(&http, &bytes, &size);
	if (http_answer_take_body(&http, bytes, size, BODY_MAX) < 0)
		return 0;

	http.status = statuses[input[1] % (sizeof(statuses) / sizeof(statuses[0]))];
	http.is_whole = http.broken_limit == 0;
	read_answer(&task, &http, &answer);
	http.is_whole = false;
	read_answer(&task, &http, &cut);
	check(cut.outcome == answer.outcome ||
		(answer.outcome == OUTCOME_DONE && cut.outcome != OUTCOME_DONE) ||
		answer.outcome == OUTCOME_UNKNOWN);
	return 0;
}
