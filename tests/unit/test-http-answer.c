#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/net/http_answer.h"
#include "agent/work/net/http_body.h"
#include "protocol/cleanup.h"

static void take(struct http_answer *answer, const char *line) {
	assert_int_equal(http_answer_take_line(answer, line, strlen(line)), 0);
}

static void test_answer_keeps_the_headers_that_are_asked_for(void **state) {
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_NULL;

	(void) state;
	take(&answer, "HTTP/1.1 429 Too Many Requests\r\n");
	take(&answer, "RETRY-AFTER:   3600 \r\n");
	take(&answer, "Retry-After: 1\r\n");
	take(&answer, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	take(&answer, "Dated: x\r\n");
	take(&answer, "Content-Length: 3\r\n");
	assert_false(answer.has_head);
	take(&answer, "\r\n");
	assert_true(answer.has_head);
	assert_string_equal(answer.retry_after, "3600");
	assert_string_equal(answer.date, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_null(answer.location);
	assert_int_equal(answer.announced, 3);
	assert_false(http_answer_has_body(&answer));
	assert_int_equal(http_answer_take_body(&answer, "abc", 3, 3), 0);
	assert_true(http_answer_has_body(&answer));
}

/* What comes before the final answer, or behind its body, is not it. */
static void test_answer_is_the_final_one_alone(void **state) {
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_NULL;

	(void) state;
	take(&answer, "HTTP/1.1 103 Early Hints\r\n");
	take(&answer, "Location: https://early.example\r\n");
	take(&answer, "Retry-After: 1\r\n");
	take(&answer, "\r\n");
	assert_false(answer.has_head);
	take(&answer, "HTTP/1.1 302 Found\r\n");
	take(&answer, "\r\n");
	assert_true(answer.has_head);
	take(&answer, "Location: https://trailer.example\r\n");
	take(&answer, "HTTP/1.1 200 OK\r\n");
	take(&answer, "Retry-After: 2\r\n");
	assert_null(answer.location);
	assert_null(answer.retry_after);
}

static void test_answer_counts_all_headers(void **state) {
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_NULL;
	int r = 0;

	(void) state;
	for (size_t i = 0; i < HTTP_HEADERS_MAX && r == 0; i++)
		r = http_answer_take_line(&answer, "HTTP/1.1 102 Processing\r\n", 25);
	assert_int_equal(r, -E2BIG);
	assert_int_equal(answer.broken_limit, HTTP_HEADERS_MAX);
	assert_true(answer.headers_size <= HTTP_HEADERS_MAX);
}

static void test_answer_takes_no_longer_body(void **state) {
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_NULL;

	(void) state;
	assert_int_equal(http_answer_take_body(&answer, "abc", 3, 4), 0);
	assert_int_equal(http_answer_take_body(&answer, "de", 2, 4), -E2BIG);
	assert_int_equal(answer.broken_limit, 4);
	assert_int_equal(answer.body_size, 3);
}

static void test_chunks_are_known_by_their_header(void **state) {
	_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_NULL;

	(void) state;
	take(&answer, "HTTP/1.1 100 Continue\r\n");
	take(&answer, "Transfer-Encoding: chunked\r\n");
	take(&answer, "\r\n");
	take(&answer, "HTTP/1.1 200 OK\r\n");
	assert_false(answer.is_chunked);
	take(&answer, "transfer-encoding: Chunked\r\n");
	assert_true(answer.is_chunked);
	take(&answer, "Transfer-Encoding: gzip\r\n");
	assert_false(answer.is_chunked);
}

static void test_announced_size_is_plain_digits(void **state) {
	static const char *const lines[] = {"Content-Length: -1\r\n", "Content-Length:\r\n",
		"Content-Length: 1x\r\n", "Content-Length: 9999999999999999999999\r\n"};

	(void) state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_NULL;
		take(&answer, lines[i]);
		assert_true(answer.announced == UINT64_MAX);
	}
}

static int file_with(const char *text) {
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fflush(file), 0);
	int fd = dup(fileno(file));
	assert_int_equal(fclose(file), 0);
	return fd;
}

static void test_body_is_its_pieces_in_order(void **state) {
	_cleanup_(fd_closep) int fd = file_with("0123456789");
	char text[32];

	(void) state;
	for (size_t step = 1; step < 12; step++) {
		struct http_body body = {
			.pieces = {{.bytes = "ab", .size = 2}, {.fd = fd, .size = 9},
				{.bytes = "", .size = 0}, {.bytes = "yz", .size = 2}},
			.n_pieces = 4,
		};
		size_t size = 0;
		ssize_t n;
		assert_int_equal(http_body_size(&body), 13);
		while ((n = http_body_read(&body, text + size, step)) > 0)
			size += (size_t) n;
		assert_int_equal(n, 0);
		assert_int_equal(size, 13);
		assert_memory_equal(text, "ab012345678yz", 13);
		assert_int_equal(http_body_read(&body, text, step), 0);
	}
}

static void test_body_of_a_file_that_is_shorter_is_an_error(void **state) {
	_cleanup_(fd_closep) int fd = file_with("0123");
	struct http_body body = {.pieces = {{.fd = fd, .size = 5}}, .n_pieces = 1};
	char text[8];

	(void) state;
	assert_int_equal(http_body_read(&body, text, sizeof(text)), 4);
	assert_int_equal(http_body_read(&body, text, sizeof(text)), -EIO);
}

static void test_no_body_has_no_size(void **state) {
	(void) state;
	assert_int_equal(http_body_size(NULL), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer_keeps_the_headers_that_are_asked_for),
		cmocka_unit_test(test_answer_is_the_final_one_alone),
		cmocka_unit_test(test_answer_counts_all_headers),
		cmocka_unit_test(test_answer_takes_no_longer_body),
		cmocka_unit_test(test_chunks_are_known_by_their_header),
		cmocka_unit_test(test_announced_size_is_plain_digits),
		cmocka_unit_test(test_body_is_its_pieces_in_order),
		cmocka_unit_test(test_body_of_a_file_that_is_shorter_is_an_error),
		cmocka_unit_test(test_no_body_has_no_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
