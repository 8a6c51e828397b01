#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/net/api_answer.h"
#include "agent/work/net/http_answer.h"
#include "agent/work/net/task.h"
#include "protocol/cleanup.h"
#include "protocol/secret.h"

#define TOKEN "cioABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
#define NOW UINT64_C(1752868800) /* Fri, 18 Jul 2025 20:00:00 GMT */
#define ERROR(words) "{\"errors\":[{\"detail\":\"" words "\"}]}"
#define MORE "{\"detail\":\"x\"},"
#define PERMISSIONS "this token does not have the required permissions to perform this action"
#define READ_ONLY                                                                                  \
	"crates.io is currently in read-only mode. Please check https://status.crates.io/ for "    \
	"more"
#define LIMIT                                                                                      \
	"You have published too many new crates in a short period of time. Please try again "      \
	"after Fri, 18 Jul 2025 20:00:34 GMT and see https://crates.io/docs/rate-limits for more"
#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* An answer as it comes, its body in a copy of exactly that size. */
struct sent {
	enum errand errand;
	long status;
	const char *body;
	const char *location, *retry_after;
	bool is_cut, has_no_token, is_from_crates_io;
};

static void read_sent(const struct sent *sent, struct api_answer *ret) {
	static char crates_io[] = "https://crates.io", other[] = "https://crates.io.example";
	_cleanup_(secret_freep) struct secret *token = NULL;
	_cleanup_(freep) char *body = strdup(sent->body ? sent->body : "");
	_cleanup_(freep) char *location = sent->location ? strdup(sent->location) : NULL;
	_cleanup_(freep) char *retry_after = sent->retry_after ? strdup(sent->retry_after) : NULL;
	const struct http_answer http = {
		.status = sent->status,
		.body = body,
		.body_size = strlen(body),
		.location = location,
		.retry_after = retry_after,
		.is_whole = !sent->is_cut,
		.has_head = true,
	};

	if (!sent->has_no_token)
		assert_int_equal(secret_from(TOKEN, strlen(TOKEN), &token), 0);
	const struct net_task task = {
		.errand = sent->errand,
		.token = token,
		.url = sent->is_from_crates_io ? crates_io : other,
	};
	*ret = API_ANSWER_NULL;
	assert_int_equal(api_answer_read(&task, &http, NOW, ret), 0);
}

static void check_all(
	const struct sent *sent, enum outcome outcome, enum refusal code, enum hint hint) {
	_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL;

	read_sent(sent, &answer);
	if (answer.outcome != outcome || answer.code != code || answer.hint != hint)
		print_error("%ld %s\n", sent->status, sent->body ? sent->body : "");
	assert_int_equal(answer.outcome, outcome);
	assert_int_equal(answer.code, code);
	assert_int_equal(answer.hint, hint);
}

static void check(enum errand errand, long status, const char *body, enum outcome outcome,
	enum refusal code) {
	const struct sent sent = {.errand = errand, .status = status, .body = body};

	check_all(&sent, outcome, code, HINT_NONE);
}

static void check_words(const char *words, enum refusal code, enum hint hint) {
	static const long statuses[] = {200, 400, 403};
	_cleanup_(freep) char *body = NULL;

	assert_true(asprintf(&body, ERROR("%s"), words) > 0);
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		const struct sent sent = {
			.errand = ERRAND_PUBLISH, .status = statuses[i], .body = body};
		check_all(&sent, OUTCOME_REFUSED, code, hint);
	}
}

static void check_detail(const struct sent *sent, const char *detail) {
	_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL;

	read_sent(sent, &answer);
	if (detail)
		assert_string_equal(answer.detail, detail);
	else
		assert_null(answer.detail);
}

/* Cases 58 and 66. */
static void test_success_has_the_form_of_its_errand(void **state) {
	(void) state;
	check(ERRAND_PUBLISH, 200, "", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_PUBLISH, 200, "{}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_PUBLISH, 201, "{\"crate\":{},\"errors\":null}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_PUBLISH, 201, "", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_PUBLISH, 204, "", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_PUBLISH, 200, "{\"ok\":true,\"msg\":\"x\",\"warnings\":null}", OUTCOME_DONE,
		REFUSAL_NONE);
	check(ERRAND_YANK, 200, "{\"ok\":true}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_UNYANK, 200, "{\"ok\":true,\"msg\":7}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_OWNERS_ADD, 200, "{\"ok\":true,\"msg\":\"x\"}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_OWNERS_REMOVE, 200, "{\"ok\":true}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_OWNERS_LIST, 200, "{\"users\":[]}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_REVOKE, 204, "", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_REVOKE, 200, "{\"ok\":true}", OUTCOME_DONE, REFUSAL_NONE);
	check(ERRAND_REVOKE, 200, "{\"ok\":true,\"msg\":\"x\"}", OUTCOME_DONE, REFUSAL_NONE);
}

static void test_success_of_another_form_is_not_believed(void **state) {
	static const struct {
		enum errand errand;
		long status;
		const char *body;
	} cases[] = {
		{ERRAND_PUBLISH, 200, "<html>"},
		{ERRAND_PUBLISH, 200, "[]"},
		{ERRAND_PUBLISH, 200, "null"},
		{ERRAND_PUBLISH, 200, "{\"a\":1,\"a\":2}"},
		{ERRAND_PUBLISH, 200, "{\"errors\":[]}"},
		{ERRAND_PUBLISH, 200, "{\"errors\":\"x\"}"},
		{ERRAND_PUBLISH, 200, "{\"errors\":[{\"detail\":1}]}"},
		{ERRAND_PUBLISH, 200, "{\"errors\":[{\"detail\":\"x\"},{}]}"},
		{ERRAND_PUBLISH, 200, "{\"ok\":\"false\"}"},
		{ERRAND_PUBLISH, 200, "{\"ok\":\"true\"}"},
		{ERRAND_PUBLISH, 200, "{\"ok\":null}"},
		{ERRAND_PUBLISH, 200, "{\"error\":\"quota\"}"},
		{ERRAND_PUBLISH, 201, "{\"error\":\"quota\"}"},
		{ERRAND_PUBLISH, 200, "{\"ok\":true,\"error\":\"quota\"}"},
		{ERRAND_PUBLISH, 200, "{\"crate\":{},\"status\":\"queued\"}"},
		{ERRAND_PUBLISH, 202, "{\"status\":\"queued\"}"},
		{ERRAND_PUBLISH, 202, "{}"},
		{ERRAND_PUBLISH, 202, ""},
		{ERRAND_PUBLISH, 206, "{}"},
		{ERRAND_PUBLISH, 299, ""},
		{ERRAND_YANK, 202, "{\"ok\":true}"},
		{ERRAND_YANK, 200, "{\"ok\":true,\"error\":\"x\"}"},
		{ERRAND_YANK, 200, ""},
		{ERRAND_YANK, 200, "{}"},
		{ERRAND_YANK, 200, "{\"ok\":\"true\"}"},
		{ERRAND_YANK, 200, "{\"ok\":true}x"},
		{ERRAND_OWNERS_ADD, 200, "{\"msg\":\"x\"}"},
		{ERRAND_REVOKE, 200, "<html>log in</html>"},
		{ERRAND_REVOKE, 200, ""},
		{ERRAND_REVOKE, 200, "{}"},
		{ERRAND_REVOKE, 200, "{\"error\":\"not implemented\"}"},
		{ERRAND_REVOKE, 200, "{\"ok\":true,\"error\":\"not implemented\"}"},
		{ERRAND_REVOKE, 200, "{\"ok\":\"true\"}"},
		{ERRAND_REVOKE, 200, "{\"ok\":true,\"revoked\":false}"},
		{ERRAND_REVOKE, 201, "{\"ok\":true}"},
		{ERRAND_REVOKE, 202, "{\"ok\":true}"},
		{ERRAND_REVOKE, 202, ""},
	};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		check(cases[i].errand, cases[i].status, cases[i].body, OUTCOME_UNKNOWN,
			REFUSAL_ANSWER_INVALID);
	check(ERRAND_OWNERS_LIST, 200, "{}", OUTCOME_REFUSED, REFUSAL_ANSWER_INVALID);
}

static void test_success_that_breaks_off_is_unknown(void **state) {
	static const char *const bodies[] = {"", "{}", "{\"ok\":true}", "{\"ok\":tr"};
	const struct sent refused = {
		.errand = ERRAND_PUBLISH, .status = 200, .body = ERROR("no"), .is_cut = true};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(bodies); i++) {
		struct sent sent = {
			.errand = ERRAND_PUBLISH, .status = 200, .body = bodies[i], .is_cut = true};
		check_all(&sent, OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN, HINT_NONE);
		sent.errand = ERRAND_YANK;
		check_all(&sent, OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN, HINT_NONE);
	}
	/* A refusal that is there is whole by its own form. */
	check_all(&refused, OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED, HINT_NONE);
}

/* Case 57. */
static void test_success_with_errors_is_a_refusal(void **state) {
	(void) state;
	check(ERRAND_PUBLISH, 200, ERROR("max upload size is 123"), OUTCOME_REFUSED,
		REFUSAL_REGISTRY_REFUSED);
	check(ERRAND_YANK, 200, "{\"ok\":true,\"errors\":[{\"detail\":\"x\"}]}", OUTCOME_REFUSED,
		REFUSAL_REGISTRY_REFUSED);
	check(ERRAND_YANK, 200, "{\"ok\":false}", OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED);
	check(ERRAND_PUBLISH, 200, "{\"ok\":false}", OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED);
	check(ERRAND_REVOKE, 200, ERROR("authentication failed"), OUTCOME_REFUSED,
		REFUSAL_REGISTRY_REFUSED);
}

/* It failed in there, perhaps after it had been written; crates.io says also this with 200. */
static void test_errors_of_the_inside_are_unknown(void **state) {
	static const char *const bodies[] = {ERROR("Internal Server Error"),
		ERROR("Service unavailable"), ERROR(""),
		"{\"errors\":[{\"detail\":\"Internal Server Error\"},{\"detail\":\"x\"}]}",
		"{\"errors\":[" MORE MORE MORE MORE MORE MORE MORE MORE
		"{\"detail\":\"Request Timeout\"}]}"};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(bodies); i++) {
		check(ERRAND_PUBLISH, 200, bodies[i], OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
		check(ERRAND_REVOKE, 200, bodies[i], OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
		check(ERRAND_PUBLISH, 500, bodies[i], OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
		check(ERRAND_PUBLISH, 400, bodies[i], OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED);
	}
}

/* Cases 61 and 62, and the publishing guide. */
static void test_words_of_crates_io_are_known(void **state) {
	(void) state;
	check_words("authentication failed", REFUSAL_TOKEN_UNKNOWN, HINT_NONE);
	check_words("Invalid authentication token", REFUSAL_TOKEN_UNKNOWN, HINT_NONE);
	check_words(PERMISSIONS, REFUSAL_TOKEN_SCOPE, HINT_SCOPE);
	check_words("The provided access token is not valid for crate `x`", REFUSAL_TOKEN_SCOPE,
		HINT_SCOPE);
	check_words("Trusted Publishing tokens do not support creating new crates. Publish",
		REFUSAL_TOKEN_SCOPE, HINT_ACCOUNT_TOKEN);
	check_words(
		"New versions of this crate can only be published using Trusted Publishing (see",
		REFUSAL_REGISTRY_REFUSED, HINT_TRUSTED_PUBLISHING);
	check_words("A verified email address is required to publish crates to crates.io. Visit",
		REFUSAL_REGISTRY_REFUSED, HINT_EMAIL);
	check_words("this crate exists but you don't seem to be an owner. If",
		REFUSAL_REGISTRY_REFUSED, HINT_OWNER);
	check_words(
		"must already be an owner to yank or unyank", REFUSAL_REGISTRY_REFUSED, HINT_OWNER);
	check_words("team members don't have permission to modify owners", REFUSAL_REGISTRY_REFUSED,
		HINT_TEAM);
	check_words("could not find the github team o/t. Make sure", REFUSAL_REGISTRY_REFUSED,
		HINT_TEAM);
	check_words("GitHub organization 'o' has restricted OAuth access. See",
		REFUSAL_REGISTRY_REFUSED, HINT_ORG_ACCESS);
	check_words("This account is indefinitely locked. Reason: authentication failed",
		REFUSAL_OWNER_LOCKED, HINT_NONE);
	check_words("crate version `1.0.0` is already uploaded", REFUSAL_VERSION_EXISTS, HINT_NONE);
	check_words(READ_ONLY, REFUSAL_REGISTRY_UNAVAILABLE, HINT_NONE);
	check_words(LIMIT, REFUSAL_RATE_LIMITED, HINT_NONE);
}

static void test_words_that_are_not_these_are_not_taken_for_them(void **state) {
	static const char *const bodies[] = {ERROR("authentication failed!"),
		ERROR("Authentication failed"), ERROR("x authentication failed"),
		"{\"errors\":[{\"detail\":\"authentication failed\"},{\"detail\":\"x\"}]}",
		"authentication failed", "{\"error\":\"authentication failed\"}"};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(bodies); i++)
		check(ERRAND_PUBLISH, 403, bodies[i], OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED);
}

static void test_status_of_a_refusal_counts_where_words_do_not(void **state) {
	const struct sent open = {
		.errand = ERRAND_OWNERS_LIST, .status = 403, .has_no_token = true};

	(void) state;
	check(ERRAND_YANK, 401, "", OUTCOME_REFUSED, REFUSAL_TOKEN_UNKNOWN);
	check(ERRAND_YANK, 401, ERROR("who?"), OUTCOME_REFUSED, REFUSAL_TOKEN_UNKNOWN);
	check(ERRAND_YANK, 403, "", OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED);
	check(ERRAND_YANK, 404, "", OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED);
	check(ERRAND_YANK, 429, "", OUTCOME_REFUSED, REFUSAL_RATE_LIMITED);
	check(ERRAND_REVOKE, 429, "", OUTCOME_REFUSED, REFUSAL_RATE_LIMITED);
	check_all(&open, OUTCOME_REFUSED, REFUSAL_AUTH_REQUIRED, HINT_NONE);
	check(ERRAND_OWNERS_LIST, 401, "", OUTCOME_REFUSED, REFUSAL_TOKEN_UNKNOWN);
}

/* Case 64. */
static void test_trouble_in_the_registry_is_unknown(void **state) {
	static const long statuses[] = {100, 101, 199, 408, 500, 502, 503, 504, 599, 600, 999};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		check(ERRAND_PUBLISH, statuses[i], "", OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
		check(ERRAND_REVOKE, statuses[i], ERROR("authentication failed"), OUTCOME_UNKNOWN,
			REFUSAL_OUTCOME_UNKNOWN);
	}
	check(ERRAND_PUBLISH, 503, READ_ONLY, OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
	check(ERRAND_PUBLISH, 502, ERROR(READ_ONLY), OUTCOME_UNKNOWN, REFUSAL_OUTCOME_UNKNOWN);
	check(ERRAND_PUBLISH, 503, ERROR(READ_ONLY), OUTCOME_REFUSED, REFUSAL_REGISTRY_UNAVAILABLE);
	check(ERRAND_OWNERS_LIST, 500, "", OUTCOME_REFUSED, REFUSAL_REGISTRY_UNAVAILABLE);
}

/* Cases 88 and 89. */
static void test_token_is_dead_only_in_the_words_of_crates_io(void **state) {
	static const char *const bodies[] = {"", "Forbidden", "authentication failed",
		ERROR("authentication failed "), ERROR("Invalid authentication token"),
		ERROR("The given API token does not match the format used by crates.io. New"),
		"{\"errors\":[{\"detail\":\"authentication failed\"},"
		"{\"detail\":\"authentication failed\"}]}"};
	static const long statuses[] = {400, 401, 404, 405, 410};
	const struct sent dead = {.errand = ERRAND_REVOKE,
		.status = 403,
		.body = ERROR("authentication failed"),
		.is_from_crates_io = true};
	const struct sent scoped = {
		.errand = ERRAND_REVOKE, .status = 403, .body = ERROR(PERMISSIONS)};

	(void) state;
	check_all(&dead, OUTCOME_REFUSED, REFUSAL_TOKEN_UNKNOWN, HINT_NONE);
	check_all(&scoped, OUTCOME_REFUSED, REFUSAL_TOKEN_SCOPE, HINT_SCOPE);
	for (size_t i = 0; i < N_ELEMENTS(bodies); i++) {
		struct sent sent = dead;
		sent.body = bodies[i];
		check_all(&sent, OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED, HINT_NONE);
	}
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		struct sent sent = dead;
		sent.status = statuses[i];
		check_all(&sent, OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED, HINT_NONE);
	}
}

/* Whoever has them from there need not mean that it has forgotten the token. */
static void test_token_is_dead_only_at_crates_io(void **state) {
	const struct sent elsewhere = {
		.errand = ERRAND_REVOKE, .status = 403, .body = ERROR("authentication failed")};

	(void) state;
	check_all(&elsewhere, OUTCOME_REFUSED, REFUSAL_REGISTRY_REFUSED, HINT_NONE);
	check_detail(&elsewhere, "authentication failed");
}

/* Case 65: the four that say to send the request elsewhere. */
static void test_redirect_is_a_refusal(void **state) {
	static const long statuses[] = {301, 302, 307, 308};
	struct sent told = {.errand = ERRAND_PUBLISH, .location = "https://x/y"};
	const struct sent untold = {.errand = ERRAND_PUBLISH, .status = 302};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		told.status = statuses[i];
		check_all(&told, OUTCOME_REFUSED, REFUSAL_REDIRECT, HINT_NONE);
		check_detail(&told, "https://x/y");
	}
	check_detail(&untold, "HTTP 302");
}

/* `See Other` is what follows a form that was taken. */
static void test_redirect_of_another_kind_is_no_refusal(void **state) {
	static const long statuses[] = {300, 303, 304, 305, 306, 309, 399};
	struct sent sent = {.location = "https://x/y"};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		sent.status = statuses[i];
		sent.errand = ERRAND_PUBLISH;
		check_all(&sent, OUTCOME_UNKNOWN, REFUSAL_ANSWER_INVALID, HINT_NONE);
		check_detail(&sent, "https://x/y");
		sent.errand = ERRAND_REVOKE;
		check_all(&sent, OUTCOME_UNKNOWN, REFUSAL_ANSWER_INVALID, HINT_NONE);
		sent.errand = ERRAND_OWNERS_LIST;
		check_all(&sent, OUTCOME_REFUSED, REFUSAL_REDIRECT, HINT_NONE);
	}
}

/* Case 60. */
static void test_detail_is_what_the_registry_said(void **state) {
	const struct {
		long status;
		const char *body, *detail;
	} cases[] = {
		{400, "go away\n", "HTTP 400: go away "},
		{400, "", "HTTP 400"},
		{400, "{\"errors\":[]}", "HTTP 400: {\"errors\":[]}"},
		{200, ERROR("a\\nb\\u0007\\u00e4"), "a b???"},
		{422, "{\"errors\":[{\"detail\":\"a\"},{\"detail\":\"b\"}]}", "a, b"},
		{502, "<html>", "HTTP 502: <html>"},
		{200, "{\"ok\":false,\"msg\":\"so\"}", "so"},
		{400, "is " TOKEN " yours?", "HTTP 400"},
		{400, ERROR("is " TOKEN " yours?"), NULL},
		{403, ERROR("\\u0063ioABCDEFGHIJKLMNOP"), NULL},
	};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const struct sent sent = {
			.errand = ERRAND_PUBLISH, .status = cases[i].status, .body = cases[i].body};
		check_detail(&sent, cases[i].detail);
	}
}

static void test_detail_has_an_end(void **state) {
	_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL;
	_cleanup_(freep) char *long_words = malloc(5001), *body = NULL;
	struct sent sent = {.errand = ERRAND_PUBLISH, .status = 400};

	(void) state;
	memset(long_words, 'x', 5000);
	long_words[5000] = '\0';
	assert_true(asprintf(&body, ERROR("%s"), long_words) > 0);
	sent.body = body;
	read_sent(&sent, &answer);
	assert_int_equal(strlen(answer.detail), API_WORDS_MAX);
}

/* Case 63. */
static void test_time_of_the_next_try_is_told(void **state) {
	const struct {
		long status;
		const char *body, *retry_after;
		uint64_t time;
	} cases[] = {
		{429, "", "Fri, 18 Jul 2025 20:00:34 GMT", NOW + 34},
		{429, "", "3600", NOW + 3600},
		{200, ERROR(LIMIT), "60", NOW + 60},
		{429, ERROR(LIMIT), NULL, NOW + 34},
		{429, ERROR(LIMIT), "soon", NOW + 34},
		{503, "", "5", NOW + 5},
		{429, "", NULL, 0},
		{200, "", "5", 0},
		{403, ERROR("please try again after Fri, 18 Jul 2025 20:00:34 GMT"), NULL, 0},
	};

	(void) state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL;
		const struct sent sent = {.errand = ERRAND_PUBLISH,
			.status = cases[i].status,
			.body = cases[i].body,
			.retry_after = cases[i].retry_after};
		read_sent(&sent, &answer);
		assert_int_equal(answer.retry_after, cases[i].time);
	}
}

/* Case 59. */
static void test_warnings_are_told_as_cargo_does(void **state) {
	_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL,
						     none = API_ANSWER_NULL;
	const struct sent sent = {.errand = ERRAND_PUBLISH,
		.status = 200,
		.body = "{\"warnings\":{\"other\":[\"x\\ny\",7,\"" TOKEN "\",\"z\"],"
			"\"invalid_categories\":[\"a\",\"b\"],\"invalid_badges\":[\"c\"],\"new\":[]"
			"}}"};
	const struct sent odd = {.errand = ERRAND_PUBLISH,
		.status = 200,
		.body = "{\"warnings\":{\"other\":\"x\",\"invalid_categories\":[],\"invalid_"
			"badges\":{}}}"};

	(void) state;
	read_sent(&sent, &answer);
	assert_string_equal(answer.warnings,
		"the following are not valid category slugs and were ignored: a, b. Please see "
		"https://crates.io/category_slugs for the list of all category slugs.\n"
		"the following are not valid badges and were ignored: c. Either the badge type "
		"specified is unknown or a required attribute is missing. Please see "
		"https://doc.rust-lang.org/cargo/reference/manifest.html#package-metadata for "
		"valid "
		"badge types and their required attributes.\n"
		"x y\nz");
	read_sent(&odd, &none);
	assert_int_equal(none.outcome, OUTCOME_DONE);
	assert_null(none.warnings);
}

static void test_message_of_a_success_is_told(void **state) {
	_cleanup_(api_answer_done) struct api_answer answer = API_ANSWER_NULL,
						     kept = API_ANSWER_NULL;
	struct sent sent = {.errand = ERRAND_OWNERS_ADD,
		.status = 200,
		.body = "{\"ok\":true,\"msg\":\"user u has been invited\"}"};

	(void) state;
	read_sent(&sent, &answer);
	assert_string_equal(answer.message, "user u has been invited");
	sent.body = "{\"ok\":true,\"msg\":\"" TOKEN "\"}";
	read_sent(&sent, &kept);
	assert_int_equal(kept.outcome, OUTCOME_DONE);
	assert_null(kept.message);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_success_has_the_form_of_its_errand),
		cmocka_unit_test(test_success_of_another_form_is_not_believed),
		cmocka_unit_test(test_success_that_breaks_off_is_unknown),
		cmocka_unit_test(test_success_with_errors_is_a_refusal),
		cmocka_unit_test(test_errors_of_the_inside_are_unknown),
		cmocka_unit_test(test_words_of_crates_io_are_known),
		cmocka_unit_test(test_words_that_are_not_these_are_not_taken_for_them),
		cmocka_unit_test(test_status_of_a_refusal_counts_where_words_do_not),
		cmocka_unit_test(test_trouble_in_the_registry_is_unknown),
		cmocka_unit_test(test_token_is_dead_only_in_the_words_of_crates_io),
		cmocka_unit_test(test_token_is_dead_only_at_crates_io),
		cmocka_unit_test(test_redirect_is_a_refusal),
		cmocka_unit_test(test_redirect_of_another_kind_is_no_refusal),
		cmocka_unit_test(test_detail_is_what_the_registry_said),
		cmocka_unit_test(test_detail_has_an_end),
		cmocka_unit_test(test_time_of_the_next_try_is_told),
		cmocka_unit_test(test_warnings_are_told_as_cargo_does),
		cmocka_unit_test(test_message_of_a_success_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
