/* What a request says of accounts that sign. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/json.h"
#include "protocol/request.h"

#define REGISTRY "\"registry\":{\"index-url\":\"sparse+https://r.example/\"}"
#define LOGIN "{\"v\":1," REGISTRY ",\"kind\":\"login\""
#define KEY "{\"v\":1," REGISTRY ",\"kind\":\"key\""

static struct request *accept(const char *line) {
	struct request *request;

	assert_int_equal(request_parse(line, strlen(line), &request), 0);
	return request;
}

static void refuse(const char *line, enum refusal refusal) {
	struct request *request;

	assert_int_equal(request_parse(line, strlen(line), &request), refusal);
}

/* As the agent reads what our command line writes. */
static struct request *write_and_read(const struct request *request) {
	_cleanup_(json_writer_done) struct json_writer writer;
	struct request *again;

	json_writer_init(&writer, false);
	request_write(&writer, request);
	assert_int_equal(json_writer_finish(&writer), 0);
	assert_int_equal(request_parse(json_writer_bytes(&writer), writer.size - 1, &again), 0);
	return again;
}

static void test_login_with_a_key_is_read(void **state) {
	(void) state;
	_cleanup_(request_freep) struct request *request =
		accept(LOGIN ",\"asymmetric\":true,\"subject\":\"ci\",\"footer-key\":\"kid\","
			     "\"secret-in-pipe\":true}");
	assert_true(request->is_asymmetric && request->wants_kid && request->secret_in_pipe);
	assert_string_equal(request->subject, "ci");
}

static void test_key_is_named_as_cargo_does_where_nothing_is_said(void **state) {
	const char *const lines[] = {LOGIN ",\"asymmetric\":true}",
		LOGIN ",\"asymmetric\":true,\"footer-key\":\"kip\"}", LOGIN ",\"asymmetric\":false}",
		LOGIN "}"};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		_cleanup_(request_freep) struct request *request = accept(lines[i]);
		assert_false(request->wants_kid);
		assert_int_equal(request->is_asymmetric, i < 2);
		assert_null(request->subject);
	}
}

static void test_what_belongs_to_a_key_is_not_lost_on_a_token(void **state) {
	const char *const lines[] = {
		LOGIN ",\"subject\":\"ci\"}",
		LOGIN ",\"footer-key\":\"kid\"}",
		LOGIN ",\"asymmetric\":false,\"subject\":\"ci\"}",
		LOGIN ",\"asymmetric\":true,\"token\":\"cio1\"}",
		LOGIN ",\"asymmetric\":true,\"secret-in-file\":\"registries.r.token\"}",
		LOGIN ",\"asymmetric\":true,\"secret-in-keyring\":\"sparse+https://r.example/\"}",
		LOGIN ",\"asymmetric\":true,\"footer-key\":\"kim\"}",
		LOGIN ",\"asymmetric\":1}",
		LOGIN ",\"asymmetric\":null}",
		LOGIN ",\"asymmetric\":true,\"subject\":1}",
		LOGIN ",\"asymmetric\":true,\"footer-key\":true}",
		KEY ",\"change\":\"drop\"}",
		KEY ",\"change\":1}",
		KEY ",\"for\":\"all\"}",
		KEY ",\"change\":\"set\"}",
		KEY ",\"change\":\"set\",\"no-subject\":false}",
		KEY ",\"change\":\"set\",\"no-subject\":1}",
		KEY ",\"change\":\"set\",\"no-subject\":true,\"subject\":\"ci\"}",
		KEY ",\"change\":\"set\",\"footer-key\":\"kim\"}",
		KEY ",\"change\":\"set\",\"footer-key\":null}",
		KEY ",\"change\":\"rotate\",\"subject\":\"ci\"}",
		KEY ",\"change\":\"finish\",\"footer-key\":\"kip\"}",
		KEY ",\"no-subject\":true}",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], REFUSAL_BAD_REQUEST);
}

static void test_odd_subject_is_a_bad_name(void **state) {
	(void) state;
	refuse(LOGIN ",\"asymmetric\":true,\"subject\":\"\"}", REFUSAL_BAD_NAME);
	refuse(LOGIN ",\"asymmetric\":true,\"subject\":\"a b\"}", REFUSAL_BAD_NAME);
	refuse(LOGIN ",\"asymmetric\":true,\"subject\":\"a\\\"b\"}", REFUSAL_BAD_NAME);
	refuse(LOGIN ",\"asymmetric\":true,\"subject\":\"\\u00e9\"}", REFUSAL_BAD_NAME);
	refuse(KEY ",\"change\":\"set\",\"subject\":\"a b\"}", REFUSAL_BAD_NAME);
}

static void test_each_change_of_a_key_is_read_and_written(void **state) {
	const struct {
		const char *line;
		enum key_change change;
	} cases[] = {
		{KEY "}", KEY_SHOW},
		{KEY ",\"change\":\"show\"}", KEY_SHOW},
		{KEY ",\"change\":\"rotate\",\"for\":\"read\"}", KEY_ROTATE},
		{KEY ",\"change\":\"finish\"}", KEY_FINISH},
		{KEY ",\"change\":\"cancel\"}", KEY_CANCEL},
		{KEY ",\"change\":\"set\",\"no-subject\":true}", KEY_SET},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(request_freep) struct request *request = accept(cases[i].line);
		_cleanup_(request_freep) struct request *again = write_and_read(request);

		assert_int_equal(request->key_change, cases[i].change);
		assert_int_equal(again->key_change, request->key_change);
		assert_int_equal(again->for_read, request->for_read);
	}
}

static void test_what_tokens_shall_claim_from_now_on_is_read_and_written(void **state) {
	const struct {
		const char *line, *subject;
		bool no_subject, has_footer_key, wants_kid;
	} cases[] = {
		{KEY ",\"change\":\"set\",\"subject\":\"ci\"}", "ci", false, false, false},
		{KEY ",\"change\":\"set\",\"no-subject\":true}", NULL, true, false, false},
		{KEY ",\"change\":\"set\",\"footer-key\":\"kip\"}", NULL, false, true, false},
		{KEY ",\"change\":\"set\",\"footer-key\":\"kid\"}", NULL, false, true, true},
		{KEY ",\"change\":\"set\",\"subject\":\"ci\",\"no-subject\":false,"
		     "\"footer-key\":\"kid\"}",
			"ci", false, true, true},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(request_freep) struct request *read = accept(cases[i].line);
		_cleanup_(request_freep) struct request *again = write_and_read(read);

		for (const struct request *one = read; one; one = one == read ? again : NULL) {
			assert_int_equal(one->no_subject, cases[i].no_subject);
			assert_int_equal(one->has_footer_key, cases[i].has_footer_key);
			assert_int_equal(one->wants_kid, cases[i].wants_kid);
			assert_int_equal(!one->subject, !cases[i].subject);
			if (one->subject)
				assert_string_equal(one->subject, cases[i].subject);
		}
	}
}

static void test_login_with_a_key_is_written_as_it_is_read(void **state) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_LOGIN);
	_cleanup_(request_freep) struct request *again = NULL;

	(void) state;
	request->index_url = strdup("sparse+https://r.example/");
	request->is_asymmetric = request->wants_kid = true;
	request->subject = strdup("ci");
	again = write_and_read(request);
	assert_true(again->is_asymmetric && again->wants_kid);
	assert_string_equal(again->subject, "ci");
}

/* NULL for none. */
static void expect_challenge(const char *headers, const char *challenge) {
	char line[1024];

	(void) snprintf(line, sizeof(line),
		"{\"v\":1,\"registry\":{\"index-url\":\"sparse+https://r.example/\",\"headers\":[%s]},"
		"\"kind\":\"get\",\"operation\":\"read\"}",
		headers);
	_cleanup_(request_freep) struct request *request = accept(line);
	assert_int_equal(request->has_headers, *headers != '\0');
	if (challenge)
		assert_string_equal(request->challenge, challenge);
	else
		assert_null(request->challenge);
}

static void test_challenge_is_found_among_the_headers_of_a_401(void **state) {
	(void) state;
	expect_challenge("\"www-authenticate: Cargo challenge=\\\"abc\\\"\"", "abc");
	expect_challenge("\"WWW-Authenticate: Basic x=y\",\"date: now\","
			 "\"WWW-Authenticate:Cargo login_url=\\\"https://r.example/me\\\", challenge=abc\"",
		"abc");
	expect_challenge("\"www-authenticate: Cargo challenge=a\",\"www-authenticate: Cargo "
			 "challenge=a\"",
		"a");
}

static void test_challenge_that_is_odd_or_one_of_several_is_none(void **state) {
	(void) state;
	expect_challenge("", NULL);
	expect_challenge("\"www-authenticate: Bearer challenge=abc\"", NULL);
	expect_challenge("\"x-www-authenticate: Cargo challenge=abc\"", NULL);
	expect_challenge("\"www-authenticate: Cargo challenge=\\\"a b\\\"\"", NULL);
	expect_challenge("\"www-authenticate: Cargo challenge=\\\"\\\"\"", NULL);
	expect_challenge("\"www-authenticate: Cargo challenge=a\",\"www-authenticate: Cargo "
			 "challenge=b\"",
		NULL);
	expect_challenge("\"www-authenticate: Cargo challenge=a\",\"www-authenticate: Cargo "
			 "challenge=b\",\"www-authenticate: Cargo challenge=c\"",
		NULL);
}

static void test_header_that_is_no_text_is_a_bad_request(void **state) {
	(void) state;
	refuse("{\"v\":1,\"registry\":{\"index-url\":\"u\",\"headers\":[1]},\"kind\":\"get\","
	       "\"operation\":\"read\"}",
		REFUSAL_BAD_REQUEST);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_with_a_key_is_read),
		cmocka_unit_test(test_key_is_named_as_cargo_does_where_nothing_is_said),
		cmocka_unit_test(test_what_belongs_to_a_key_is_not_lost_on_a_token),
		cmocka_unit_test(test_odd_subject_is_a_bad_name),
		cmocka_unit_test(test_each_change_of_a_key_is_read_and_written),
		cmocka_unit_test(test_what_tokens_shall_claim_from_now_on_is_read_and_written),
		cmocka_unit_test(test_login_with_a_key_is_written_as_it_is_read),
		cmocka_unit_test(test_challenge_is_found_among_the_headers_of_a_401),
		cmocka_unit_test(test_challenge_that_is_odd_or_one_of_several_is_none),
		cmocka_unit_test(test_header_that_is_no_text_is_a_bad_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
