#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/json.h"
#include "protocol/reply.h"

/* Every byte of an answer counts: cargo reads it. */
static void assert_line(struct json_writer *writer, const char *line) {
	assert_int_equal(json_writer_finish(writer), 0);
	assert_int_equal(writer->size, strlen(line));
	assert_memory_equal(json_writer_bytes(writer), line, strlen(line));
}

static struct reply *read_line(const char *line) {
	struct reply *reply = NULL;

	assert_int_equal(reply_parse(line, strlen(line), &reply), 0);
	assert_non_null(reply);
	return reply;
}

static void assert_refusal_line(
	enum refusal refusal, const char *message, const char *detail, const char *line) {
	_cleanup_(json_writer_done) struct json_writer writer;

	json_writer_init(&writer, false);
	reply_refusal(&writer, refusal, message, detail);
	assert_line(&writer, line);
}

static void test_reply_greets_with_version_1(void **state) {
	(void) state;
	assert_string_equal(REPLY_GREETING, "{\"v\":[1]}\n");
}

static void test_reply_token_has_cargos_shape(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, true);
	reply_token(&writer, "a\"b\\c", 5, false);
	assert_line(&writer,
		"{\"Ok\":{\"kind\":\"get\",\"token\":\"a\\\"b\\\\c\",\"cache\":\"never\","
		"\"operation_independent\":false}}\n");
}

static void test_reply_token_for_reads_may_be_kept(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, true);
	reply_token(&writer, "abc", 3, true);
	assert_line(&writer,
		"{\"Ok\":{\"kind\":\"get\",\"token\":\"abc\",\"cache\":\"session\","
		"\"operation_independent\":false}}\n");
}

static void test_reply_token_stays_in_secret_memory(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, true);
	reply_token(&writer, "cio123", 6, false);
	assert_int_equal(json_writer_finish(&writer), 0);
	assert_null(writer.text);
	assert_non_null(writer.secret);
}

static void test_reply_placeholder_is_no_token_of_anybody(void **state) {
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, false);
	reply_token(&writer, REPLY_PLACEHOLDER, strlen(REPLY_PLACEHOLDER), false);
	assert_line(&writer, "{\"Ok\":{\"kind\":\"get\",\"token\":\"cpub-placeholder-not-a-token\","
			     "\"cache\":\"never\",\"operation_independent\":false}}\n");
}

static void test_reply_ok_names_its_kind(void **state) {
	static const char *const lines[] = {
		[KIND_GET] = "{\"Ok\":{\"kind\":\"get\"}}\n",
		[KIND_LOGIN] = "{\"Ok\":{\"kind\":\"login\"}}\n",
		[KIND_LOGOUT] = "{\"Ok\":{\"kind\":\"logout\"}}\n",
		[KIND_INIT] = "{\"Ok\":{\"kind\":\"init\"}}\n",
		[KIND_LIST] = "{\"Ok\":{\"kind\":\"list\"}}\n",
		[KIND_STATUS] = "{\"Ok\":{\"kind\":\"status\"}}\n",
		[KIND_LOCK] = "{\"Ok\":{\"kind\":\"lock\"}}\n",
		[KIND_UNLOCK] = "{\"Ok\":{\"kind\":\"unlock\"}}\n",
		[KIND_PASSWD] = "{\"Ok\":{\"kind\":\"passwd\"}}\n",
		[KIND_MOVE] = "{\"Ok\":{\"kind\":\"move\"}}\n",
		[KIND_TRUST] = "{\"Ok\":{\"kind\":\"trust\"}}\n",
		[KIND_IMPORT] = "{\"Ok\":{\"kind\":\"import\"}}\n",
		[KIND_SEAL] = "{\"Ok\":{\"kind\":\"seal\"}}\n",
		[KIND_PROPOSE] = "{\"Ok\":{\"kind\":\"propose\"}}\n",
		[KIND_VERIFY] = "{\"Ok\":{\"kind\":\"verify\"}}\n",
		[KIND_PUBLISH] = "{\"Ok\":{\"kind\":\"publish\"}}\n",
		[KIND_AWAIT] = "{\"Ok\":{\"kind\":\"await\"}}\n",
		[KIND_YANK] = "{\"Ok\":{\"kind\":\"yank\"}}\n",
		[KIND_UNYANK] = "{\"Ok\":{\"kind\":\"unyank\"}}\n",
		[KIND_OWNER] = "{\"Ok\":{\"kind\":\"owner\"}}\n",
		[KIND_REVOKE] = "{\"Ok\":{\"kind\":\"revoke\"}}\n",
		[KIND_CHECK] = "{\"Ok\":{\"kind\":\"check\"}}\n",
		[KIND_KEY] = "{\"Ok\":{\"kind\":\"key\"}}\n",
	};

	(void) state;
	assert_int_equal(sizeof(lines) / sizeof(lines[0]), _KIND_MAX);
	for (int kind = 0; kind < _KIND_MAX; kind++) {
		_cleanup_(json_writer_done) struct json_writer writer;

		json_writer_init(&writer, false);
		reply_ok_begin(&writer, (enum kind) kind);
		reply_ok_end(&writer);
		assert_line(&writer, lines[kind]);
	}
}

/* cargo tries its next provider after these two, so they carry nothing else. */
static void test_reply_refusals_that_cargo_knows_are_bare(void **state) {
	(void) state;
	assert_refusal_line(REFUSAL_NOT_FOUND, NULL, NULL, "{\"Err\":{\"kind\":\"not-found\"}}\n");
	assert_refusal_line(REFUSAL_URL_NOT_SUPPORTED, NULL, NULL,
		"{\"Err\":{\"kind\":\"url-not-supported\"}}\n");
	assert_refusal_line(REFUSAL_OPERATION_NOT_SUPPORTED, NULL, NULL,
		"{\"Err\":{\"kind\":\"operation-not-supported\"}}\n");
	assert_refusal_line(
		REFUSAL_NOT_FOUND, "message", "detail", "{\"Err\":{\"kind\":\"not-found\"}}\n");
}

static void test_reply_refusals_of_ours_carry_a_code(void **state) {
	(void) state;
	assert_refusal_line(REFUSAL_LOCKED, "what", "why",
		"{\"Err\":{\"kind\":\"other\",\"message\":\"what\",\"caused-by\":[\"why\"],"
		"\"code\":\"locked\"}}\n");
	assert_refusal_line(REFUSAL_LOCKED, "what", NULL,
		"{\"Err\":{\"kind\":\"other\",\"message\":\"what\",\"caused-by\":[],"
		"\"code\":\"locked\"}}\n");
	assert_refusal_line(REFUSAL_LOCKED, "a \"b\"\nc", NULL,
		"{\"Err\":{\"kind\":\"other\",\"message\":\"a \\\"b\\\"\\nc\",\"caused-by\":[],"
		"\"code\":\"locked\"}}\n");
}

/* Each refusal, written and read: the client sees what the agent meant. */
static void test_reply_refusals_survive_the_way(void **state) {
	(void) state;
	for (int i = REFUSAL_NONE + 1; i < _REFUSAL_MAX; i++) {
		_cleanup_(json_writer_done) struct json_writer writer;
		_cleanup_(reply_freep) struct reply *reply = NULL;

		json_writer_init(&writer, false);
		reply_refusal(&writer, (enum refusal) i, NULL, NULL);
		assert_int_equal(json_writer_finish(&writer), 0);
		assert_int_equal(
			reply_parse(json_writer_bytes(&writer), writer.size - 1, &reply), 0);
		assert_null(reply->ok);
		assert_int_equal(reply->refusal, i);
		assert_string_equal(reply->message, refusal_sentence((enum refusal) i));
		assert_null(reply->detail);
	}
}

static void test_reply_parse_reads_an_ok(void **state) {
	_cleanup_(reply_freep) struct reply *reply =
		read_line("{\"Ok\":{\"kind\":\"lock\",\"was\":\"locked\"}}");
	const char *was = NULL;

	(void) state;
	assert_int_equal(reply->refusal, REFUSAL_NONE);
	assert_non_null(reply->ok);
	assert_int_equal(json_get_string(reply->ok, "was", &was), 0);
	assert_string_equal(was, "locked");
}

static void test_reply_parse_reads_message_and_first_cause(void **state) {
	_cleanup_(reply_freep) struct reply *reply = read_line(
		"{\"Err\":{\"kind\":\"other\",\"message\":\"m\",\"caused-by\":[\"a\",\"b\"],"
		"\"code\":\"denied\",\"later\":1}}");

	(void) state;
	assert_null(reply->ok);
	assert_int_equal(reply->refusal, REFUSAL_DENIED);
	assert_string_equal(reply->message, "m");
	assert_string_equal(reply->detail, "a");
}

static void test_reply_parse_keeps_the_words_of_an_unknown_refusal(void **state) {
	_cleanup_(reply_freep) struct reply *later = read_line(
		"{\"Err\":{\"kind\":\"other\",\"message\":\"m\",\"code\":\"of-tomorrow\"}}");
	_cleanup_(reply_freep) struct reply *no_code =
		read_line("{\"Err\":{\"kind\":\"other\",\"message\":\"m\"}}");
	_cleanup_(reply_freep) struct reply *bare =
		read_line("{\"Err\":{\"kind\":\"of-tomorrow\"}}");

	(void) state;
	assert_int_equal(later->refusal, _REFUSAL_INVALID);
	assert_string_equal(later->message, "m");
	assert_int_equal(no_code->refusal, _REFUSAL_INVALID);
	assert_string_equal(no_code->message, "m");
	assert_int_equal(bare->refusal, _REFUSAL_INVALID);
	assert_non_null(bare->message);
	assert_null(bare->ok);
}

static void test_reply_parse_refuses_what_is_no_answer(void **state) {
	static const char *const lines[] = {"", "null", "[]", "\"Ok\"", "{}", "{\"v\":[1]}",
		"{\"Ok\":null}", "{\"Ok\":1}", "{\"Ok\":[]}", "{\"ok\":{}}", "{\"Err\":null}",
		"{\"Err\":\"no\"}", "{\"Err\":{}}", "{\"Err\":{\"kind\":1}}",
		"{\"Err\":{\"message\":\"m\",\"code\":\"denied\"}}",
		/* A refusal that refuses nothing would pass for a success. */
		"{\"Err\":{\"kind\":\"none\"}}", "{\"Err\":{\"kind\":\"other\",\"code\":\"none\"}}",
		"{\"Ok\":{}", "{\"Ok\":{}}}", "{\"Ok\":{},\"Ok\":{}}", "{\"Ok\":{}} {\"Ok\":{}}",
		"{\"Progress\":{\"stage\":\"upload\"}}"};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct reply *reply = NULL;
		int r = reply_parse(lines[i], strlen(lines[i]), &reply);

		if (r != -EBADMSG)
			print_error("taken: %s\n", lines[i]);
		assert_int_equal(r, -EBADMSG);
		assert_null(reply);
	}
}

static void test_reply_parse_ignores_odd_extras(void **state) {
	static const char *const lines[] = {
		"{\"Err\":{\"kind\":\"other\",\"code\":\"denied\",\"message\":7,\"caused-by\":[]}}",
		"{\"Err\":{\"kind\":\"other\",\"code\":\"denied\",\"caused-by\":\"why\"}}",
		"{\"Err\":{\"kind\":\"other\",\"code\":\"denied\",\"caused-by\":[{\"a\":1}]}}",
		/* An Ok that is no object is none. */
		"{\"Ok\":1,\"Err\":{\"kind\":\"other\",\"code\":\"denied\"}}",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		_cleanup_(reply_freep) struct reply *reply = read_line(lines[i]);

		assert_null(reply->ok);
		assert_int_equal(reply->refusal, REFUSAL_DENIED);
		assert_string_equal(reply->message, refusal_sentence(REFUSAL_DENIED));
		assert_null(reply->detail);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_greets_with_version_1),
		cmocka_unit_test(test_reply_token_has_cargos_shape),
		cmocka_unit_test(test_reply_token_for_reads_may_be_kept),
		cmocka_unit_test(test_reply_token_stays_in_secret_memory),
		cmocka_unit_test(test_reply_placeholder_is_no_token_of_anybody),
		cmocka_unit_test(test_reply_ok_names_its_kind),
		cmocka_unit_test(test_reply_refusals_that_cargo_knows_are_bare),
		cmocka_unit_test(test_reply_refusals_of_ours_carry_a_code),
		cmocka_unit_test(test_reply_refusals_survive_the_way),
		cmocka_unit_test(test_reply_parse_reads_an_ok),
		cmocka_unit_test(test_reply_parse_reads_message_and_first_cause),
		cmocka_unit_test(test_reply_parse_keeps_the_words_of_an_unknown_refusal),
		cmocka_unit_test(test_reply_parse_refuses_what_is_no_answer),
		cmocka_unit_test(test_reply_parse_ignores_odd_extras),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
