#include "api_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api_errors.h"
#include "api_warnings.h"
#include "api_words.h"
#include "http_answer.h"
#include "http_date.h"
#include "protocol/json.h"
#include "task.h"
#include "words.h"

/* Where crates.io's API is. */
#define CRATES_IO_API "https://crates.io"

/* One answer while it is read. */
struct reading {
	const struct net_task *task;
	const struct http_answer *http;
	uint64_t now;
	struct api_errors errors;
};

static void reading_done(struct reading *reading) {
	api_errors_done(&reading->errors);
}

void api_answer_done(struct api_answer *answer) {
	free(answer->detail);
	free(answer->message);
	free(answer->warnings);
	json_free(answer->document);
	*answer = API_ANSWER_NULL;
}

static void settle(struct api_answer *answer, enum outcome outcome, enum refusal code) {
	answer->outcome = outcome;
	answer->code = code;
}

static void settle_refused(struct api_answer *answer, enum refusal code) {
	settle(answer, OUTCOME_REFUSED, code);
}

static void settle_unknown(struct api_answer *answer) {
	settle(answer, OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
}

/* It was answered, but not with what a registry says when it has done it. */
static void settle_senseless(struct api_answer *answer) {
	settle(answer, OUTCOME_UNKNOWN, REFUSAL_ANSWER_INVALID);
}

static char *tell(const struct reading *reading, const char *words) {
	return words ? words_tell(words, strlen(words), API_WORDS_MAX, reading->task->token) : NULL;
}

/* `HTTP 400: go away`: the status, and what came with it if it is no known form. */
static char *detail_from_status(const struct reading *reading) {
	const struct http_answer *http = reading->http;
	_cleanup_(freep) char *excerpt = NULL;
	char *text;

	if (http->body_size > 0)
		excerpt = words_tell(http->body, http->body_size, WORDS_MAX, reading->task->token);
	int n = asprintf(
		&text, "HTTP %ld%s%s", http->status, excerpt ? ": " : "", excerpt ? excerpt : "");
	return n < 0 ? NULL : text;
}

static char *detail_from_answer(const struct reading *reading) {
	if (reading->errors.words)
		return tell(reading, reading->errors.words);
	return detail_from_status(reading);
}

/*
 * Of a revocation one answer more counts: that the token was dead before. It is
 * believed of crates.io alone, in its own words, status and form. Whoever else refuses
 * does not say that the token is of no use any more.
 */
static bool answer_says_dead(const struct reading *reading) {
	return strcmp(reading->task->url, CRATES_IO_API) == 0 &&
	       strcmp(reading->errors.only, "authentication failed") == 0;
}

static void read_revoke_refused(const struct reading *reading, struct api_answer *answer) {
	struct api_meaning meaning;

	settle_refused(answer, REFUSAL_REGISTRY_REFUSED);
	if (reading->http->status != 403 || !reading->errors.only ||
		!api_words_read(reading->errors.only, &meaning))
		return;
	bool is_told = meaning.code == REFUSAL_TOKEN_SCOPE || meaning.code == REFUSAL_OWNER_LOCKED;
	if (is_told || answer_says_dead(reading)) {
		answer->code = meaning.code;
		answer->hint = meaning.hint;
	}
}

/* A status that says no; the words only say why. */
static void read_client_error(const struct reading *reading, struct api_answer *answer) {
	long status = reading->http->status;
	struct api_meaning meaning;

	if (status == 429)
		settle_refused(answer, REFUSAL_RATE_LIMITED);
	else if (reading->task->errand == ERRAND_REVOKE)
		read_revoke_refused(reading, answer);
	else if (!reading->task->token && (status == 401 || status == 403))
		settle_refused(answer, REFUSAL_AUTH_REQUIRED);
	else if (reading->errors.only && api_words_read(reading->errors.only, &meaning) &&
		 meaning.code != REFUSAL_OUTCOME_UNKNOWN) {
		settle_refused(answer, meaning.code);
		answer->hint = meaning.hint;
	} else
		settle_refused(
			answer, status == 401 ? REFUSAL_TOKEN_UNKNOWN : REFUSAL_REGISTRY_REFUSED);
	answer->detail = detail_from_answer(reading);
}

/* Errors within a success: crates.io sends them so, those of its inside as well. */
static void read_errors(const struct reading *reading, struct api_answer *answer) {
	struct api_meaning meaning;

	answer->detail = tell(reading, reading->errors.words);
	if (reading->errors.has_unknown) {
		settle_unknown(answer);
		return;
	}
	settle_refused(answer, REFUSAL_REGISTRY_REFUSED);
	if (reading->task->errand == ERRAND_REVOKE || !reading->errors.only ||
		!api_words_read(reading->errors.only, &meaning))
		return;
	answer->code = meaning.code;
	answer->hint = meaning.hint;
}

/* An object with no member but these: what else it may say is nothing that we can judge. */
static bool document_has_only(const struct json *document, const char *const *names) {
	if (!json_is_object(document))
		return false;
	for (const struct json *member = json_first(document); member; member = json_next(member)) {
		size_t i = 0;

		while (names[i] && strcmp(json_name(member), names[i]) != 0)
			i++;
		if (!names[i])
			return false;
	}
	return true;
}

static bool document_is_ok(const struct json *document) {
	bool is_ok = false;

	return json_get_bool(document, "ok", &is_ok) == 0 && is_ok;
}

/*
 * crates.io tells of the crate and warns; others send the warnings alone, or what the
 * other acts are answered with, or nothing at all. Where it is none of that, the index
 * can still tell.
 */
static bool answer_says_published(const struct json *document) {
	static const char *const names[] = {"crate", "errors", "msg", "ok", "warnings", NULL};

	return document_has_only(document, names) &&
	       (!json_member(document, "ok") || document_is_ok(document));
}

/* After this the token is erased here, so that it is said outright or not at all. */
static bool answer_says_revoked(const struct reading *reading, const struct json *document) {
	static const char *const names[] = {"errors", "msg", "ok", NULL};

	if (reading->http->status == 204)
		return true;
	return reading->http->status == 200 && document_has_only(document, names) &&
	       document_is_ok(document);
}

/* A success in the form that the errand asks for. */
static bool answer_says_done(const struct reading *reading, const struct api_answer *answer) {
	const struct json *document = answer->document;
	long status = reading->http->status;

	/* Of the others that HTTP knows one says "later", and none "all of it". */
	if (status != 200 && status != 201 && status != 204)
		return false;
	switch (reading->task->errand) {
	case ERRAND_PUBLISH:
		return reading->http->body_size == 0 || answer_says_published(document);
	case ERRAND_REVOKE:
		return answer_says_revoked(reading, document);
	case ERRAND_YANK:
	case ERRAND_UNYANK:
	case ERRAND_OWNERS_ADD:
	case ERRAND_OWNERS_REMOVE:
		return document_is_ok(document) && !json_member(document, "error");
	case ERRAND_OWNERS_LIST:
		return json_is_array(json_member(document, "users"));
	case ERRAND_CONFIG:
	case ERRAND_PROBE:
	case ERRAND_CRATE:
	case ERRAND_CLOCK:
	case _ERRAND_MAX:
		break;
	}
	return false;
}

static bool answer_says_not_ok(const struct api_answer *answer) {
	bool is_ok = true;

	return json_get_bool(answer->document, "ok", &is_ok) == 0 && !is_ok;
}

static void read_success(const struct reading *reading, struct api_answer *answer) {
	const char *message = json_string(json_member(answer->document, "msg"));

	if (reading->errors.is_there && !reading->errors.words) {
		settle_senseless(answer);
		return;
	}
	if (reading->errors.is_there) {
		read_errors(reading, answer);
		return;
	}
	if (answer_says_not_ok(answer)) {
		settle_refused(answer, REFUSAL_REGISTRY_REFUSED);
		answer->detail = tell(reading, message);
		return;
	}
	if (!reading->http->is_whole) {
		settle_unknown(answer);
		return;
	}
	if (!answer_says_done(reading, answer)) {
		settle_senseless(answer);
		answer->detail = detail_from_status(reading);
		return;
	}
	settle(answer, OUTCOME_DONE, REFUSAL_NONE);
	answer->message = tell(reading, message);
	if (reading->task->errand == ERRAND_PUBLISH)
		answer->warnings = api_warnings_read(answer->document, reading->task->token);
}

/* It failed somewhere on its way, or after it; or it is nothing that HTTP knows. */
static void read_server_error(const struct reading *reading, struct api_answer *answer) {
	struct api_meaning meaning;

	settle_unknown(answer);
	if (reading->http->status == 503 && reading->errors.only &&
		api_words_read(reading->errors.only, &meaning) &&
		meaning.code == REFUSAL_REGISTRY_UNAVAILABLE)
		settle_refused(answer, meaning.code);
	answer->detail = detail_from_answer(reading);
}

/* The request is to be sent to another place, so that nobody has taken it at this one. */
static bool status_sends_elsewhere(long status) {
	return status == 301 || status == 302 || status == 307 || status == 308;
}

/* Another than these may follow on what was done, as `303 See Other` does on a form. */
static void read_redirect(const struct reading *reading, struct api_answer *answer) {
	const char *location = reading->http->location;

	if (status_sends_elsewhere(reading->http->status) ||
		reading->task->errand == ERRAND_OWNERS_LIST)
		settle_refused(answer, REFUSAL_REDIRECT);
	else
		settle_senseless(answer);
	answer->detail = location && *location ? words_tell(location, strlen(location), WORDS_MAX,
							 reading->task->token)
					       : detail_from_status(reading);
}

/* Of a list nothing is unknown: it is there, or it is not. */
static void read_no_list(const struct reading *reading, struct api_answer *answer) {
	answer->outcome = OUTCOME_REFUSED;
	if (answer->code == REFUSAL_OUTCOME_UNKNOWN)
		answer->code = reading->http->status >= 500 ? REFUSAL_REGISTRY_UNAVAILABLE
							    : REFUSAL_ANSWER_INVALID;
}

/* crates.io repeats the header in its words. */
static void read_retry_after(const struct reading *reading, struct api_answer *answer) {
	static const char before[] = "try again after ";
	const char *words = reading->errors.only ? strstr(reading->errors.only, before) : NULL;
	_cleanup_(freep) char *date = NULL;

	if (reading->http->retry_after && http_retry_after_read(reading->http->retry_after,
						  reading->now, &answer->retry_after) == 0)
		return;
	if (words && answer->code == REFUSAL_RATE_LIMITED)
		date = strndup(words + strlen(before), strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
	if (date)
		(void) http_retry_after_read(date, reading->now, &answer->retry_after);
}

static int read_document(struct reading *reading, struct api_answer *answer) {
	const struct http_answer *http = reading->http;

	if (http->body_size == 0 || http->broken_limit > 0)
		return 0;
	int r = json_parse(http->body, http->body_size, &answer->document);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	return api_errors_read(answer->document, &reading->errors);
}

int api_answer_read(const struct net_task *task, const struct http_answer *http, uint64_t now,
	struct api_answer *answer) {
	_cleanup_(reading_done) struct reading reading = {
		.task = task,
		.http = http,
		.now = now,
	};
	long status = http->status;

	int r = read_document(&reading, answer);
	if (r < 0)
		return r;
	if (status >= 200 && status < 300)
		read_success(&reading, answer);
	else if (status >= 300 && status < 400)
		read_redirect(&reading, answer);
	else if (status >= 400 && status < 500 && status != 408)
		read_client_error(&reading, answer);
	else
		read_server_error(&reading, answer);

	if (task->errand == ERRAND_OWNERS_LIST && answer->outcome == OUTCOME_UNKNOWN)
		read_no_list(&reading, answer);
	if (answer->outcome != OUTCOME_DONE)
		read_retry_after(&reading, answer);
	return 0;
}
