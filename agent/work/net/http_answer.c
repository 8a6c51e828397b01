#include "http_answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/cleanup.h"

#define BODY_START ((size_t) 16 * 1024)

static void text_clear(char **text) {
	free(*text);
	*text = NULL;
}

/* What an interim answer said is nothing that the final one said. */
static void http_answer_forget(struct http_answer *answer) {
	text_clear(&answer->location);
	text_clear(&answer->challenge);
	text_clear(&answer->date);
	text_clear(&answer->age);
	text_clear(&answer->retry_after);
	answer->announced = UINT64_MAX;
	answer->is_chunked = false;
}

void http_answer_done(struct http_answer *answer) {
	http_answer_forget(answer);
	free(answer->body);
	*answer = HTTP_ANSWER_NULL;
}

/* Makes room for `size` more bytes, at least twice as much as before. */
static bool http_answer_reserve(struct http_answer *answer, size_t size) {
	size_t needed = answer->body_size + size;
	size_t capacity = answer->body_capacity > 0 ? answer->body_capacity : BODY_START;

	while (capacity < needed)
		capacity *= 2;
	if (capacity == answer->body_capacity)
		return true;
	char *larger = realloc(answer->body, capacity);
	if (!larger)
		return false;
	answer->body = larger;
	answer->body_capacity = capacity;
	return true;
}

int http_answer_take_body(
	struct http_answer *answer, const char *bytes, size_t size, size_t size_max) {
	if (size > size_max - answer->body_size) {
		answer->broken_limit = size_max;
		return -E2BIG;
	}
	if (!http_answer_reserve(answer, size))
		return -ENOMEM;
	memcpy(answer->body + answer->body_size, bytes, size);
	answer->body_size += size;
	return 0;
}

bool http_answer_has_body(const struct http_answer *answer) {
	return answer->has_head && answer->body_size == answer->announced;
}

/* The value if the line is that header, with its size in *ret_size; else NULL. */
static const char *header_value(const char *line, size_t size, const char *name, size_t *ret_size) {
	size_t n = strlen(name);

	if (size <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return NULL;
	line += n + 1;
	size -= n + 1;
	while (size > 0 && strchr(" \t", *line)) {
		line++;
		size--;
	}
	while (size > 0 && strchr(" \t\r\n", line[size - 1]))
		size--;
	*ret_size = size;
	return line;
}

/* Keeps a header's value behind what is there already. */
static int header_append(char **text, const char *value, size_t size) {
	char *joined;

	if (asprintf(&joined, "%s%s%.*s", *text ? *text : "", *text ? ", " : "", (int) size,
		    value) < 0)
		return -ENOMEM;
	free(*text);
	*text = joined;
	return 0;
}

static uint64_t announced_size(const char *value, size_t size) {
	uint64_t n = 0;

	if (size == 0 || size > 15)
		return UINT64_MAX;
	for (size_t i = 0; i < size; i++) {
		if (value[i] < '0' || value[i] > '9')
			return UINT64_MAX;
		n = 10 * n + (uint64_t) (value[i] - '0');
	}
	return n;
}

/* Of WWW-Authenticate all count, of the others the first. */
static int http_answer_take_header(struct http_answer *answer, const char *line, size_t size) {
	const struct {
		const char *name;
		char **text;
		bool is_list;
	} kept[] = {
		{"Location", &answer->location, false},
		{"WWW-Authenticate", &answer->challenge, true},
		{"Date", &answer->date, false},
		{"Age", &answer->age, false},
		{"Retry-After", &answer->retry_after, false},
	};
	const char *value;
	size_t value_size;

	value = header_value(line, size, "Content-Length", &value_size);
	if (value)
		answer->announced = announced_size(value, value_size);
	value = header_value(line, size, "Transfer-Encoding", &value_size);
	if (value)
		answer->is_chunked = value_size == strlen("chunked") &&
				     strncasecmp(value, "chunked", value_size) == 0;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		value = header_value(line, size, kept[i].name, &value_size);
		if (!value || (*kept[i].text && !kept[i].is_list))
			continue;
		return header_append(kept[i].text, value, value_size);
	}
	return 0;
}

static bool line_is_blank(const char *line, size_t size) {
	return size == 0 || *line == '\r' || *line == '\n';
}

/* `HTTP/1.1 200 OK`: from 200 on it is final, and 101 ends what we speak. */
static bool status_line_is_final(const char *line, size_t size) {
	const char *blank = memchr(line, ' ', size);
	size_t left = blank ? size - (size_t) (blank + 1 - line) : 0;

	return left > 0 && blank[1] >= '2' && blank[1] <= '9';
}

int http_answer_take_line(struct http_answer *answer, const char *line, size_t size) {
	if (size > HTTP_HEADERS_MAX - answer->headers_size) {
		answer->broken_limit = HTTP_HEADERS_MAX;
		return -E2BIG;
	}
	answer->headers_size += size;

	if (answer->has_head) /* Trailers, which are about the body. */
		return 0;
	if (size > strlen("HTTP/") && strncmp(line, "HTTP/", strlen("HTTP/")) == 0) {
		http_answer_forget(answer);
		answer->is_final = status_line_is_final(line, size);
		return 0;
	}
	if (line_is_blank(line, size)) {
		answer->has_head = answer->is_final;
		return 0;
	}
	return http_answer_take_header(answer, line, size);
}
