/* The members of requests for acts at a registry. */

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

#define REGISTRY "\"registry\":{\"index-url\":\"https://r.example/i\"}"
#define LINE(kind) "{\"v\":1," REGISTRY ",\"kind\":\"" kind "\""

static struct request *accept(const char *line) {
	struct request *request = NULL;

	assert_int_equal(request_parse(line, strlen(line), &request), 0);
	return request;
}

static void refuse(const char *line, enum refusal refusal) {
	struct request *request = NULL;
	int r = request_parse(line, strlen(line), &request);

	if (r != (int) refusal)
		fail_msg("%d instead of %d for %s", r, (int) refusal, line);
	assert_null(request);
}

static void test_release_reads_each_member(void **state) {
	_cleanup_(request_freep) struct request *seal = accept(LINE("seal") ",\"size-max\":7}");
	_cleanup_(request_freep) struct request *propose = accept(
		LINE("propose") ",\"verify\":true,\"dry-run\":true,\"resume\":true,\"progress\":true}");
	_cleanup_(request_freep) struct request *yank = accept(LINE(
		"yank") ",\"releases\":[{\"name\":\"a\",\"vers\":\"1.0.0\"},{\"name\":\"b-b\",\"vers\":"
			"\"2.0.0-rc.1+x\"}]}");
	_cleanup_(request_freep) struct request *owner = accept(
		LINE("owner") ",\"name\":\"a\",\"add\":[\"x\",\"github:o:t\"],\"remove\":[\"y\"]}");
	_cleanup_(request_freep) struct request *revoke =
		accept(LINE("revoke") ",\"for\":\"read\",\"forget\":true}");

	(void) state;
	assert_int_equal(seal->size_max, 7);
	assert_true(propose->will_verify && propose->is_dry_run && propose->may_resume &&
		propose->wants_progress);
	assert_int_equal(yank->n_releases, 2);
	assert_string_equal(yank->releases[1].crate, "b-b");
	assert_string_equal(yank->releases[1].version, "2.0.0-rc.1+x");
	assert_string_equal(owner->add[1], "github:o:t");
	assert_null(owner->add[2]);
	assert_string_equal(owner->remove[0], "y");
	assert_true(revoke->for_read && revoke->forget);
}

/* Nothing of it reaches a URL unchecked. */
static void test_release_refuses_what_is_odd(void **state) {
	static const struct {
		const char *line;
		enum refusal refusal;
	} cases[] = {
		{LINE("seal") ",\"size-max\":0}", REFUSAL_BAD_REQUEST},
		{LINE("seal") ",\"size-max\":\"1\"}", REFUSAL_BAD_REQUEST},
		{LINE("propose") ",\"verify\":1}", REFUSAL_BAD_REQUEST},
		{LINE("propose") ",\"progress\":\"yes\"}", REFUSAL_BAD_REQUEST},
		{LINE("publish") ",\"name\":\"../a\",\"vers\":\"1.0.0\"}", REFUSAL_BAD_NAME},
		{LINE("publish") ",\"name\":\"a\",\"vers\":\"1.0\"}", REFUSAL_BAD_NAME},
		{LINE("await") ",\"name\":\"a\",\"vers\":\"1.0.0/x\"}", REFUSAL_BAD_NAME},
		{LINE("yank") ",\"releases\":{\"name\":\"a\"}}", REFUSAL_BAD_REQUEST},
		{LINE("yank") ",\"releases\":[{\"name\":\"a\"}]}", REFUSAL_BAD_REQUEST},
		{LINE("yank") ",\"releases\":[\"a\"]}", REFUSAL_BAD_REQUEST},
		{LINE("yank") ",\"releases\":[{\"name\":\"a%2f\",\"vers\":\"1.0.0\"}]}",
			REFUSAL_BAD_NAME},
		{LINE("yank") ",\"releases\":[{\"name\":\"a\",\"vers\":\"..\"}]}", REFUSAL_BAD_NAME},
		{LINE("owner") ",\"name\":\"a b\"}", REFUSAL_BAD_NAME},
		{LINE("owner") ",\"name\":\"a\",\"add\":[]}", REFUSAL_BAD_REQUEST},
		{LINE("owner") ",\"name\":\"a\",\"add\":\"x\"}", REFUSAL_BAD_REQUEST},
		{LINE("owner") ",\"name\":\"a\",\"add\":[1]}", REFUSAL_BAD_REQUEST},
		{LINE("owner") ",\"name\":\"a\",\"remove\":[\"x y\"]}", REFUSAL_BAD_NAME},
		/* crates.io takes ten at once. */
		{LINE("owner") ",\"name\":\"a\",\"add\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
			       "\"8\",\"9\",\"10\",\"11\"]}",
			REFUSAL_BAD_REQUEST},
		{LINE("revoke") ",\"for\":\"write\"}", REFUSAL_BAD_REQUEST},
		{LINE("revoke") ",\"forget\":0}", REFUSAL_BAD_REQUEST},
		{LINE("check") ",\"vers\":\"1.0.0\"}", REFUSAL_BAD_REQUEST},
		{LINE("check") ",\"name\":\"a\",\"vers\":\"v1\"}", REFUSAL_BAD_NAME},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refuse(cases[i].line, cases[i].refusal);
}

static void test_release_takes_no_more_versions_than_the_limit(void **state) {
	_cleanup_(freep) char *text = NULL;
	size_t size;

	(void) state;
	for (size_t n = RELEASES_IN_REQUEST_MAX; n <= RELEASES_IN_REQUEST_MAX + 1; n++) {
		FILE *out = open_memstream(&text, &size);

		fprintf(out, LINE("yank") ",\"releases\":[");
		for (size_t i = 0; i < n; i++)
			fprintf(out, "%s{\"name\":\"a\",\"vers\":\"1.0.%zu\"}", i > 0 ? "," : "", i);
		fprintf(out, "]}");
		fclose(out);
		if (n == RELEASES_IN_REQUEST_MAX)
			request_free(accept(text));
		else
			refuse(text, REFUSAL_BAD_REQUEST);
		free(text);
		text = NULL;
	}
}

/* What a client writes is what the agent reads. */
static void test_release_is_read_back_as_written(void **state) {
	const char *line = LINE("owner") ",\"name\":\"a\",\"add\":[\"x\"],\"remove\":[\"y\",\"z\"],"
					 "\"progress\":true}";
	_cleanup_(request_freep) struct request *request = accept(line);
	_cleanup_(request_freep) struct request *again = NULL;
	_cleanup_(json_writer_done) struct json_writer writer;

	(void) state;
	json_writer_init(&writer, false);
	request_write(&writer, request);
	assert_int_equal(json_writer_finish(&writer), 0);
	assert_int_equal(request_parse(json_writer_bytes(&writer), writer.size - 1, &again), 0);
	assert_string_equal(again->remove[1], "z");
	assert_true(again->wants_progress);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release_reads_each_member),
		cmocka_unit_test(test_release_refuses_what_is_odd),
		cmocka_unit_test(test_release_takes_no_more_versions_than_the_limit),
		cmocka_unit_test(test_release_is_read_back_as_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
