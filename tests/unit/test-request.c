#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "protocol/secret.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define REGISTRY "\"registry\":{\"index-url\":\"sparse+https://r.example/\"}"
/* The front of most requests. */
#define GET "{\"v\":1," REGISTRY ",\"kind\":\"get\","
#define DEMO "\"name\":\"demo\",\"vers\":\"1.0.0\""
#define LOGIN "{\"v\":1," REGISTRY ",\"kind\":\"login\""

/* Parses a copy of exactly that size, so that the sanitizer sees each byte read past the end. */
static int parse(const char *line, struct request **ret) {
	size_t size = strlen(line);
	_cleanup_(freep) char *copy = malloc(size > 0 ? size : 1);

	assert_non_null(copy);
	memcpy(copy, line, size);
	return request_parse(copy, size, ret);
}

static struct request *accept(const char *line) {
	struct request *request = NULL;
	int r = parse(line, &request);

	if (r != 0)
		print_error("refused as '%s': %s\n", r > 0 ? refusal_name((enum refusal) r) : "?",
			line);
	assert_int_equal(r, 0);
	assert_non_null(request);
	return request;
}

static void refuse(const char *line, enum refusal refusal) {
	struct request *untouched = (struct request *) 1;
	struct request *request = untouched;
	int r = parse(line, &request);

	if (r != (int) refusal)
		print_error("not '%s' but %d: %s\n", refusal_name(refusal), r, line);
	assert_int_equal(r, refusal);
	assert_ptr_equal(request, untouched);
}

static void test_request_reads_what_cargo_sends_for_publish(void **state) {
	_cleanup_(request_freep) struct request *request = accept(
		"{\"v\":1,\"registry\":{\"index-url\":\"sparse+https://r.example/"
		"\",\"name\":\"mine\"},"
		"\"kind\":\"get\",\"operation\":\"publish\",\"name\":\"demo\",\"vers\":\"0.1.0\","
		"\"cksum\":\"" SUM "\",\"args\":[\"--account\",\"work\"]}");

	(void) state;
	assert_int_equal(request->kind, KIND_GET);
	assert_int_equal(request->operation, OPERATION_PUBLISH);
	assert_string_equal(request->index_url, "sparse+https://r.example/");
	assert_string_equal(request->registry_name, "mine");
	assert_string_equal(request->crate, "demo");
	assert_string_equal(request->version, "0.1.0");
	assert_string_equal(request->checksum, SUM);
	assert_string_equal(request->account, "work");
	assert_false(request->has_headers);
	assert_null(request->token);
}

static void test_request_reads_each_operation(void **state) {
	static const struct {
		enum operation operation;
		const char *line;
	} cases[] = {
		{OPERATION_READ, GET "\"operation\":\"read\"}"},
		{OPERATION_PUBLISH,
			GET "\"operation\":\"publish\",\"name\":\"a\",\"vers\":\"1.0.0\","
			    "\"cksum\":\"" SUM "\"}"},
		{OPERATION_YANK, GET "\"operation\":\"yank\",\"name\":\"a\",\"vers\":\"1.0.0\"}"},
		{OPERATION_UNYANK,
			GET "\"operation\":\"unyank\",\"name\":\"a\",\"vers\":\"1.0.0\"}"},
		{OPERATION_OWNERS, GET "\"operation\":\"owners\",\"name\":\"a\"}"},
	};

	(void) state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), _OPERATION_MAX);
	for (size_t i = 0; i < _OPERATION_MAX; i++) {
		_cleanup_(request_freep) struct request *request = accept(cases[i].line);

		assert_int_equal(request->operation, cases[i].operation);
	}
}

/* The least that each kind needs, and that it needs it. */
static void test_request_asks_for_a_registry_where_one_is_needed(void **state) {
	static const struct {
		enum kind kind;
		const char *with;
		const char *without; /* NULL: nothing is needed */
	} cases[] = {
		{KIND_GET, GET "\"operation\":\"read\"}",
			"{\"v\":1,\"kind\":\"get\",\"operation\":\"read\"}"},
		{KIND_LOGIN, LOGIN "}", "{\"v\":1,\"kind\":\"login\"}"},
		{KIND_LOGOUT, "{\"v\":1," REGISTRY ",\"kind\":\"logout\"}",
			"{\"v\":1,\"kind\":\"logout\",\"all\":false}"},
		{KIND_INIT, "{\"v\":1,\"kind\":\"init\"}", NULL},
		{KIND_LIST, "{\"v\":1,\"kind\":\"list\"}", NULL},
		{KIND_STATUS, "{\"v\":1,\"kind\":\"status\"}", NULL},
		{KIND_LOCK, "{\"v\":1,\"kind\":\"lock\"}", NULL},
		{KIND_UNLOCK, "{\"v\":1,\"kind\":\"unlock\"}", NULL},
		{KIND_PASSWD, "{\"v\":1,\"kind\":\"passwd\"}", NULL},
		{KIND_MOVE, "{\"v\":1,\"kind\":\"move\",\"to\":\"vault\"}",
			"{\"v\":1,\"kind\":\"move\"}"},
		{KIND_TRUST, "{\"v\":1," REGISTRY ",\"kind\":\"trust\"}",
			"{\"v\":1,\"kind\":\"trust\"}"},
		{KIND_IMPORT, "{\"v\":1,\"kind\":\"import\"}", NULL},
		{KIND_SEAL, "{\"v\":1," REGISTRY ",\"kind\":\"seal\"}", "{\"v\":1,\"kind\":\"seal\"}"},
		{KIND_PROPOSE, "{\"v\":1,\"kind\":\"propose\"}", NULL},
		{KIND_VERIFY, "{\"v\":1,\"kind\":\"verify\"}", NULL},
		{KIND_PUBLISH, "{\"v\":1,\"kind\":\"publish\"," DEMO "}",
			"{\"v\":1,\"kind\":\"publish\",\"name\":\"demo\"}"},
		{KIND_AWAIT, "{\"v\":1,\"kind\":\"await\"," DEMO "}",
			"{\"v\":1,\"kind\":\"await\",\"name\":\"demo\"}"},
		{KIND_YANK, "{\"v\":1," REGISTRY ",\"kind\":\"yank\",\"releases\":[{" DEMO "}]}",
			"{\"v\":1," REGISTRY ",\"kind\":\"yank\"}"},
		{KIND_UNYANK, "{\"v\":1," REGISTRY ",\"kind\":\"unyank\",\"releases\":[{" DEMO "}]}",
			"{\"v\":1," REGISTRY ",\"kind\":\"unyank\",\"releases\":[]}"},
		{KIND_OWNER, "{\"v\":1," REGISTRY ",\"kind\":\"owner\"," DEMO "}",
			"{\"v\":1," REGISTRY ",\"kind\":\"owner\"}"},
		{KIND_REVOKE, "{\"v\":1," REGISTRY ",\"kind\":\"revoke\"}",
			"{\"v\":1,\"kind\":\"revoke\"}"},
		{KIND_CHECK, "{\"v\":1," REGISTRY ",\"kind\":\"check\"}",
			"{\"v\":1,\"kind\":\"check\"}"},
		{KIND_KEY, "{\"v\":1," REGISTRY ",\"kind\":\"key\"}",
			"{\"v\":1,\"kind\":\"key\"}"},
	};

	(void) state;
	assert_int_equal(sizeof(cases) / sizeof(cases[0]), _KIND_MAX);
	for (size_t i = 0; i < _KIND_MAX; i++) {
		_cleanup_(request_freep) struct request *request = accept(cases[i].with);

		assert_int_equal(request->kind, cases[i].kind);
		if (cases[i].without)
			refuse(cases[i].without, REFUSAL_BAD_REQUEST);
	}
}

static void test_request_logout_of_all_needs_no_registry(void **state) {
	_cleanup_(request_freep) struct request *request =
		accept("{\"v\":1,\"kind\":\"logout\",\"all\":true}");

	(void) state;
	assert_true(request->all);
	assert_null(request->index_url);
}

static void test_request_reads_all_of_a_login(void **state) {
	_cleanup_(request_freep) struct request *request = accept(
		"{\"v\":1,\"registry\":{\"index-url\":\"https://r.example/i\"},\"kind\":\"login\","
		"\"token\":\"cio123\",\"login-url\":\"https://r.example/me\",\"account\":\"work\","
		"\"url-source\":\"project\",\"url-file\":\"/p/.cargo/config.toml\","
		"\"api\":\"https://api.example\",\"ca-pem\":\"PEM\",\"ca-file\":\"/ca\","
		"\"proxy\":\"http://proxy:3128\",\"allow-http\":true,\"secret-in-pipe\":true}");

	(void) state;
	assert_int_equal(secret_size(request->token), 6);
	assert_memory_equal(secret_peek(request->token), "cio123", 6);
	assert_string_equal(request->login_url, "https://r.example/me");
	assert_string_equal(request->account, "work");
	assert_int_equal(request->url_source, URL_SOURCE_PROJECT);
	assert_string_equal(request->url_file, "/p/.cargo/config.toml");
	assert_string_equal(request->api, "https://api.example");
	assert_string_equal(request->ca_pem, "PEM");
	assert_string_equal(request->ca_file, "/ca");
	assert_string_equal(request->proxy, "http://proxy:3128");
	assert_true(request->allow_http);
	assert_true(request->secret_in_pipe);
}

static void test_request_reads_what_is_told_of_a_token(void **state) {
	_cleanup_(request_freep) struct request *request =
		accept(LOGIN ",\"for\":\"read\",\"no-check\":true,\"replace\":true,"
			     "\"expires\":1800000000,\"scope\":\"yank\",\"crates\":\"serde*\","
			     "\"secret-in-file\":\"registry.token\"}");

	(void) state;
	assert_true(request->for_read && request->no_check && request->replace);
	assert_int_equal(request->expires, 1800000000);
	assert_string_equal(request->scope, "yank");
	assert_string_equal(request->crates, "serde*");
	assert_string_equal(request->secret_in_file, "registry.token");
}

static void test_request_refuses_odd_words_on_a_token(void **state) {
	static const struct {
		const char *member;
		enum refusal refusal;
	} cases[] = {
		{"\"for\":\"write\"", REFUSAL_BAD_REQUEST},
		{"\"for\":true", REFUSAL_BAD_REQUEST},
		{"\"expires\":0", REFUSAL_BAD_REQUEST},
		{"\"expires\":-5", REFUSAL_BAD_REQUEST},
		{"\"expires\":\"90d\"", REFUSAL_BAD_REQUEST},
		{"\"replace\":1", REFUSAL_BAD_REQUEST},
		{"\"scope\":\"\"", REFUSAL_BAD_NAME},
		{"\"scope\":\"a\\u001b[2J\"", REFUSAL_BAD_NAME},
		{"\"crates\":\"a\\nb\"", REFUSAL_BAD_NAME},
		{"\"secret-in-file\":\"\\u0007\"", REFUSAL_BAD_NAME},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) char *line = NULL;

		assert_true(asprintf(&line, LOGIN ",%s}", cases[i].member) > 0);
		refuse(line, cases[i].refusal);
	}
}

static void test_request_reads_all_of_an_init(void **state) {
	_cleanup_(request_freep) struct request *request =
		accept("{\"v\":1,\"kind\":\"init\",\"store\":\"vault\",\"no-passphrase\":true}");

	(void) state;
	assert_string_equal(request->store, "vault");
	assert_true(request->no_passphrase);
	assert_false(request->secret_in_pipe);
}

static void test_request_moves_only_to_what_lasts(void **state) {
	static const char *const lines[] = {
		"{\"v\":1,\"kind\":\"move\",\"to\":\"memory\"}",
		"{\"v\":1,\"kind\":\"move\",\"to\":\"\"}",
		"{\"v\":1,\"kind\":\"move\",\"to\":[\"vault\"]}",
	};
	_cleanup_(request_freep) struct request *request =
		accept("{\"v\":1,\"kind\":\"move\",\"to\":\"keyring\"}");

	(void) state;
	assert_string_equal(request->to, "keyring");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], REFUSAL_BAD_REQUEST);
}

static void test_request_tells_headers_only_where_there_are_some(void **state) {
	static const struct {
		bool has_headers;
		const char *line;
	} cases[] = {
		{false, "{\"v\":1,\"registry\":{\"index-url\":\"u\"},\"kind\":\"login\"}"},
		{false, "{\"v\":1,\"registry\":{\"index-url\":\"u\",\"headers\":[]},\"kind\":"
			"\"login\"}"},
		{true, "{\"v\":1,\"registry\":{\"index-url\":\"u\",\"headers\":[\"a: b\"]},"
		       "\"kind\":\"login\"}"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(request_freep) struct request *request = accept(cases[i].line);

		assert_int_equal(request->has_headers, cases[i].has_headers);
	}
}

static void test_request_ignores_unknown_fields(void **state) {
	_cleanup_(request_freep) struct request *request =
		accept("{\"v\":1,\"new\":{\"deep\":[1,null]},\"registry\":{\"index-url\":\"u\","
		       "\"since\":2},"
		       "\"kind\":\"get\",\"operation\":\"read\",\"kinds\":7,\"Kind\":\"login\"}");

	(void) state;
	assert_int_equal(request->kind, KIND_GET);
	assert_string_equal(request->index_url, "u");
}

static void test_request_refuses_what_is_no_request(void **state) {
	static const char *const lines[] = {"", " ", "null", "1", "\"get\"", "[]",
		"[{\"v\":1,\"kind\":\"list\"}]", "{}", "{\"v\":1", "{\"v\":1,\"kind\":\"list\"}}",
		"{\"v\":1,\"kind\":\"list\"} {\"v\":1,\"kind\":\"list\"}",
		"{\"v\":1,\"kind\":\"list\",\"kind\":\"lock\"}", "{\"v\":1,\"kind\":\"list\",}",
		"{\"v\":1,\"kind\":\"list\",\"x\":\"\xff\"}", "{\"v\":1,'kind':\"list\"}"};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], REFUSAL_BAD_REQUEST);
}

static void test_request_speaks_version_1_alone(void **state) {
	static const char *const not_numbers[] = {"\"1\"", "[1]", "null", "true", "1.5", "{}"};
	static const char *const others[] = {"0", "2", "999", "-1"};
	char line[256];

	(void) state;
	for (size_t i = 0; i < sizeof(not_numbers) / sizeof(not_numbers[0]); i++) {
		(void) snprintf(line, sizeof(line), "{\"v\":%s,\"kind\":\"list\"}", not_numbers[i]);
		refuse(line, REFUSAL_BAD_REQUEST);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		/* Told before the kind is looked at: a later version may have others. */
		(void) snprintf(line, sizeof(line), "{\"v\":%s,\"kind\":\"later\"}", others[i]);
		refuse(line, REFUSAL_BAD_VERSION);
	}
	refuse("{\"kind\":\"list\"}", REFUSAL_BAD_REQUEST);
}

static void test_request_tells_unknown_words_from_bad_ones(void **state) {
	(void) state;
	refuse("{\"v\":1,\"kind\":\"levitate\"}", REFUSAL_OPERATION_NOT_SUPPORTED);
	refuse("{\"v\":1,\"kind\":\"\"}", REFUSAL_OPERATION_NOT_SUPPORTED);
	refuse("{\"v\":1,\"kind\":\"GET\"}", REFUSAL_OPERATION_NOT_SUPPORTED);
	refuse(GET "\"operation\":\"levitate\"}", REFUSAL_OPERATION_NOT_SUPPORTED);
	refuse(GET "\"operation\":\"\"}", REFUSAL_OPERATION_NOT_SUPPORTED);
	refuse("{\"v\":1}", REFUSAL_BAD_REQUEST);
	refuse("{\"v\":1,\"kind\":7}", REFUSAL_BAD_REQUEST);
	refuse("{\"v\":1,\"kind\":null}", REFUSAL_BAD_REQUEST);
	refuse("{\"v\":1," REGISTRY ",\"kind\":\"get\"}", REFUSAL_BAD_REQUEST);
	refuse(GET "\"operation\":1}", REFUSAL_BAD_REQUEST);
}

static void test_request_refuses_fields_of_another_type(void **state) {
	static const char *const lines[] = {
		"{\"v\":1,\"registry\":null,\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":\"u\",\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":[],\"kind\":\"list\"}",
		"{\"v\":1,\"registry\":{},\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":{\"index-url\":1},\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":{\"index-url\":null},\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":{\"index-url\":\"u\",\"name\":1},\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":{\"index-url\":\"u\",\"headers\":\"a: "
		"b\"},\"kind\":\"login\"}",
		"{\"v\":1,\"registry\":{\"index-url\":\"u\",\"headers\":{\"a\":1}},\"kind\":"
		"\"login\"}",
		GET "\"operation\":\"owners\",\"name\":1}",
		GET "\"operation\":\"yank\",\"name\":\"a\",\"vers\":1}",
		GET "\"operation\":\"publish\",\"name\":\"a\",\"vers\":\"1.0.0\",\"cksum\":[]}",
		GET "\"operation\":\"read\",\"args\":\"--account=a\"}",
		GET "\"operation\":\"read\",\"args\":{\"0\":\"--account=a\"}}",
		GET "\"operation\":\"read\",\"args\":[1]}",
		GET "\"operation\":\"read\",\"account\":7}",
		GET "\"operation\":\"read\",\"secret-in-pipe\":1}",
		LOGIN ",\"token\":1}",
		LOGIN ",\"token\":null}",
		LOGIN ",\"token\":[\"t\"]}",
		LOGIN ",\"login-url\":1}",
		LOGIN ",\"url-source\":1}",
		LOGIN ",\"url-source\":\"heaven\"}",
		LOGIN ",\"url-file\":false}",
		LOGIN ",\"api\":{}}",
		LOGIN ",\"ca-pem\":1}",
		LOGIN ",\"ca-file\":1}",
		LOGIN ",\"proxy\":[]}",
		LOGIN ",\"allow-http\":\"true\"}",
		"{\"v\":1,\"kind\":\"logout\",\"all\":\"yes\"}",
		"{\"v\":1,\"kind\":\"logout\",\"all\":true,\"for\":\"read\"}",
		"{\"v\":1,\"kind\":\"init\",\"store\":1}",
		"{\"v\":1,\"kind\":\"init\",\"no-passphrase\":0}",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], REFUSAL_BAD_REQUEST);
}

static void test_request_refuses_operations_without_what_they_need(void **state) {
	static const char *const lines[] = {
		GET "\"operation\":\"owners\"}",
		GET "\"operation\":\"yank\",\"name\":\"a\"}",
		GET "\"operation\":\"unyank\",\"vers\":\"1.0.0\"}",
		GET "\"operation\":\"publish\",\"name\":\"a\",\"vers\":\"1.0.0\"}",
		GET "\"operation\":\"publish\",\"name\":\"a\",\"cksum\":\"" SUM "\"}",
		GET "\"operation\":\"publish\",\"vers\":\"1.0.0\",\"cksum\":\"" SUM "\"}",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], REFUSAL_BAD_REQUEST);
}

static void test_request_refuses_malformed_names(void **state) {
	static const char *const lines[] = {
		GET "\"operation\":\"owners\",\"name\":\"\"}",
		GET "\"operation\":\"owners\",\"name\":\"../a\"}",
		GET "\"operation\":\"owners\",\"name\":\"a\\nb\"}",
		GET "\"operation\":\"owners\",\"name\":\"\xc3\xa4\"}",
		GET "\"operation\":\"yank\",\"name\":\"a\",\"vers\":\"1.0\"}",
		GET "\"operation\":\"unyank\",\"name\":\"a\",\"vers\":\"1.0.0 \"}",
		GET
		"\"operation\":\"publish\",\"name\":\"a\",\"vers\":\"1.0.0\",\"cksum\":\"abc\"}",
		GET "\"operation\":\"read\",\"account\":\"\"}",
		GET "\"operation\":\"read\",\"account\":\"a b\"}",
		GET "\"operation\":\"read\",\"args\":[\"--account\",\"../x\"]}",
		GET "\"operation\":\"read\",\"args\":[\"--account=\"]}",
		/* One that would be overridden, too. */
		GET "\"operation\":\"read\",\"args\":[\"--account=../x\",\"--account=a\"]}",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		refuse(lines[i], REFUSAL_BAD_NAME);
}

static void test_request_takes_both_forms_of_account(void **state) {
	static const struct {
		const char *account; /* NULL: none */
		const char *line;
	} cases[] = {
		{"work", GET "\"operation\":\"read\",\"args\":[\"--account\",\"work\"]}"},
		{"work", GET "\"operation\":\"read\",\"args\":[\"--account=work\"]}"},
		{"work", GET "\"operation\":\"read\",\"account\":\"work\"}"},
		/* Configured, then typed behind cargo's `--`: the last one is meant. */
		{"work", GET "\"operation\":\"read\",\"args\":[\"--account\",\"default\","
			     "\"--account\",\"work\"]}"},
		{"work", GET "\"operation\":\"read\",\"args\":[\"--account=default\","
			     "\"--account=home\",\"--account\",\"work\"]}"},
		/* What stands in cargo's configuration is not overridden by the other field. */
		{"work", GET "\"operation\":\"read\",\"args\":[\"--account=work\"],"
			     "\"account\":\"home\"}"},
		{NULL, GET "\"operation\":\"read\",\"args\":[]}"},
		{NULL, GET "\"operation\":\"read\"}"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(request_freep) struct request *request = accept(cases[i].line);

		if (cases[i].account)
			assert_string_equal(request->account, cases[i].account);
		else
			assert_null(request->account);
	}
}

static void test_request_refuses_unknown_arguments(void **state) {
	static const char *const args[] = {"[\"--acount\",\"work\"]", "[\"--acount=work\"]",
		"[\"--account\"]", "[\"--account\",7]", "[\"work\"]", "[\"\"]", "[\"-a\",\"work\"]",
		"[\"--account\",\"work\",\"more\"]", "[\"more\",\"--account\",\"work\"]",
		"[\"--account=a\",\"b\"]", "[\"--account\",\"a\",\"--account\"]",
		"[\"--accounts=work\"]", "[\"--ACCOUNT=work\"]"};
	char line[256];

	(void) state;
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		(void) snprintf(
			line, sizeof(line), GET "\"operation\":\"read\",\"args\":%s}", args[i]);
		refuse(line, REFUSAL_ARGUMENT_UNKNOWN);
	}
	/* Of other kinds as well: `cargo login -- --acount x`. */
	refuse(LOGIN ",\"args\":[\"--acount\",\"x\"]}", REFUSAL_ARGUMENT_UNKNOWN);
}

static void test_request_takes_only_tokens_that_fit_a_header(void **state) {
	static const char *const bad[] = {"", "a\\tb", "a\\nb", "a\\rb", "\\u001bx", "a\\u007f",
		"\xc3\xa4", "\\u00e4", "\\ud83d\\ude00", "a\\u0001"};
	static const char *const good[] = {"t", " ", "a b", "~!\\\"\\\\/", "Bearer x"};
	char line[256];

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void) snprintf(line, sizeof(line), LOGIN ",\"token\":\"%s\"}", bad[i]);
		refuse(line, REFUSAL_BAD_TOKEN);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		_cleanup_(request_freep) struct request *request = NULL;

		(void) snprintf(line, sizeof(line), LOGIN ",\"token\":\"%s\"}", good[i]);
		request = accept(line);
		assert_non_null(request->token);
	}
	/* A NUL is no strict JSON to begin with. */
	refuse(LOGIN ",\"token\":\"a\\u0000b\"}", REFUSAL_BAD_REQUEST);
}

static void test_request_takes_tokens_of_1024_bytes_and_no_more(void **state) {
	_cleanup_(request_freep) struct request *request = NULL;
	char token[1025 + 1], line[2048];

	(void) state;
	memset(token, 'x', 1025);
	token[1025] = '\0';
	(void) snprintf(line, sizeof(line), LOGIN ",\"token\":\"%s\"}", token);
	refuse(line, REFUSAL_BAD_TOKEN);
	token[1024] = '\0';
	(void) snprintf(line, sizeof(line), LOGIN ",\"token\":\"%s\"}", token);
	request = accept(line);
	assert_int_equal(secret_size(request->token), 1024);
	assert_memory_equal(secret_peek(request->token), token, 1024);
}

/* Writes the request and reads it back. */
static struct request *round_trip(const struct request *request) {
	_cleanup_(json_writer_done) struct json_writer writer;
	struct request *again = NULL;

	json_writer_init(&writer, false);
	request_write(&writer, request);
	assert_int_equal(json_writer_finish(&writer), 0);
	assert_int_equal(request_parse(json_writer_bytes(&writer), writer.size - 1, &again), 0);
	return again;
}

static void test_request_survives_writing_and_reading(void **state) {
	static const char *const lines[] = {
		GET
		"\"operation\":\"publish\",\"name\":\"demo\",\"vers\":\"0.1.0\",\"cksum\":\"" SUM
		"\",\"account\":\"work\"}",
		"{\"v\":1,\"registry\":{\"index-url\":\"u\",\"name\":\"mine\"},\"kind\":\"login\","
		"\"account\":\"work\",\"login-url\":\"l\",\"url-source\":\"environment\","
		"\"url-file\":\"CARGO_REGISTRIES_X_INDEX\",\"api\":\"a\",\"ca-pem\":\"p\\nq\","
		"\"ca-file\":\"c\",\"proxy\":\"x\",\"allow-http\":true,\"secret-in-pipe\":true}",
		"{\"v\":1,\"kind\":\"logout\",\"all\":true}",
		"{\"v\":1,\"kind\":\"init\",\"store\":\"vault\",\"no-passphrase\":true}",
		"{\"v\":1,\"kind\":\"list\"}",
		"{\"v\":1,\"kind\":\"status\"}",
		"{\"v\":1,\"kind\":\"lock\"}",
		"{\"v\":1,\"kind\":\"unlock\",\"secret-in-pipe\":true}",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		_cleanup_(request_freep) struct request *request = accept(lines[i]);
		_cleanup_(request_freep) struct request *again = round_trip(request);
		_cleanup_(json_writer_done) struct json_writer writer;

		/* These lines are in the writer's own form and order: the bytes must come back. */
		json_writer_init(&writer, false);
		request_write(&writer, again);
		assert_int_equal(json_writer_finish(&writer), 0);
		assert_int_equal(writer.size, strlen(lines[i]) + 1);
		assert_memory_equal(json_writer_bytes(&writer), lines[i], strlen(lines[i]));
	}
}

static void test_request_writes_no_token(void **state) {
	_cleanup_(request_freep) struct request *request = accept(LOGIN ",\"token\":\"cio123\"}");
	_cleanup_(request_freep) struct request *again = round_trip(request);

	(void) state;
	assert_non_null(request->token);
	assert_null(again->token);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_reads_what_cargo_sends_for_publish),
		cmocka_unit_test(test_request_reads_each_operation),
		cmocka_unit_test(test_request_asks_for_a_registry_where_one_is_needed),
		cmocka_unit_test(test_request_logout_of_all_needs_no_registry),
		cmocka_unit_test(test_request_reads_all_of_a_login),
		cmocka_unit_test(test_request_reads_what_is_told_of_a_token),
		cmocka_unit_test(test_request_refuses_odd_words_on_a_token),
		cmocka_unit_test(test_request_reads_all_of_an_init),
		cmocka_unit_test(test_request_moves_only_to_what_lasts),
		cmocka_unit_test(test_request_tells_headers_only_where_there_are_some),
		cmocka_unit_test(test_request_ignores_unknown_fields),
		cmocka_unit_test(test_request_refuses_what_is_no_request),
		cmocka_unit_test(test_request_speaks_version_1_alone),
		cmocka_unit_test(test_request_tells_unknown_words_from_bad_ones),
		cmocka_unit_test(test_request_refuses_fields_of_another_type),
		cmocka_unit_test(test_request_refuses_operations_without_what_they_need),
		cmocka_unit_test(test_request_refuses_malformed_names),
		cmocka_unit_test(test_request_takes_both_forms_of_account),
		cmocka_unit_test(test_request_refuses_unknown_arguments),
		cmocka_unit_test(test_request_takes_only_tokens_that_fit_a_header),
		cmocka_unit_test(test_request_takes_tokens_of_1024_bytes_and_no_more),
		cmocka_unit_test(test_request_survives_writing_and_reading),
		cmocka_unit_test(test_request_writes_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
