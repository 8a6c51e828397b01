/*
 * The token lies in guarded memory of ours, also while libcurl sends it: the list
 * of headers is not copied, and its last link is our own. What remains is not ours
 * to wipe: the request that libcurl puts together on its heap, for https once more
 * in the buffer that it feeds TLS from (measured: one copy, and two), and OpenSSL's
 * record, which is encrypted in place. All of it dies with this process, which
 * sends one answer and ends.
 */

#include "http.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "protocol/secret.h"

#ifndef CPUB_VERSION
#define CPUB_VERSION "0"
#endif

#define USER_AGENT "cpub-agent/" CPUB_VERSION " (https credential agent for cargo)"
#define CONNECT_MSEC 10000L
#define TIMEOUT_MSEC_MAX 600000u
#define BODY_START ((size_t) 16 * 1024)
#define AUTHORIZATION "Authorization: "

/* What the callbacks fill while the answer comes in. */
struct http_transfer {
	struct http_answer answer;
	size_t body_max;
	size_t body_capacity;
	size_t headers_size;
	bool is_out_of_memory;
};

void http_answer_done(struct http_answer *answer) {
	free(answer->body);
	free(answer->location);
	free(answer->challenge);
	*answer = HTTP_ANSWER_NULL;
}

static void http_transfer_done(struct http_transfer *transfer) {
	http_answer_done(&transfer->answer);
}

/* Makes room for `size` more bytes, at least twice as much as before. */
static bool http_reserve(struct http_transfer *transfer, size_t size) {
	size_t needed = transfer->answer.body_size + size;
	size_t capacity = transfer->body_capacity > 0 ? transfer->body_capacity : BODY_START;

	while (capacity < needed)
		capacity *= 2;
	if (capacity == transfer->body_capacity)
		return true;
	char *larger = realloc(transfer->answer.body, capacity);
	if (!larger)
		return false;
	transfer->answer.body = larger;
	transfer->body_capacity = capacity;
	return true;
}

/* Any value but `size` makes libcurl give up. */
static size_t http_on_body(char *bytes, size_t one, size_t size, void *userdata) {
	struct http_transfer *transfer = userdata;
	struct http_answer *answer = &transfer->answer;

	(void) one;
	if (size > transfer->body_max - answer->body_size) {
		answer->broken_limit = transfer->body_max;
		return 0;
	}
	if (!http_reserve(transfer, size)) {
		transfer->is_out_of_memory = true;
		return 0;
	}
	memcpy(answer->body + answer->body_size, bytes, size);
	answer->body_size += size;
	return size;
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

/* Keeps a header's value behind what is there already. False if memory is out. */
static bool header_append(char **text, const char *value, size_t size) {
	char *joined;

	if (asprintf(&joined, "%s%s%.*s", *text ? *text : "", *text ? ", " : "", (int) size,
		    value) < 0)
		return false;
	free(*text);
	*text = joined;
	return true;
}

static size_t http_on_header(char *line, size_t one, size_t size, void *userdata) {
	struct http_transfer *transfer = userdata;
	struct http_answer *answer = &transfer->answer;
	const char *value;
	size_t value_size;

	(void) one;
	if (size > HTTP_HEADERS_MAX - transfer->headers_size) {
		answer->broken_limit = HTTP_HEADERS_MAX;
		return 0;
	}
	transfer->headers_size += size;

	bool is_kept = true;
	value = header_value(line, size, "Location", &value_size);
	if (value && !answer->location)
		is_kept = header_append(&answer->location, value, value_size);
	value = header_value(line, size, "WWW-Authenticate", &value_size);
	if (value)
		is_kept = header_append(&answer->challenge, value, value_size);
	if (!is_kept) {
		transfer->is_out_of_memory = true;
		return 0;
	}
	return size;
}

/* Every option that must hold; the first failure counts, none may be passed over. */
static CURLcode http_set_common(CURL *curl, const struct http_request *request) {
	bool is_plain = strncmp(request->url, "http://", strlen("http://")) == 0;
	uint64_t msec =
		request->timeout_msec < TIMEOUT_MSEC_MAX ? request->timeout_msec : TIMEOUT_MSEC_MAX;
	const struct {
		CURLoption option;
		const char *value;
	} texts[] = {
		{CURLOPT_URL, request->url},
		{CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https"},
		{CURLOPT_USERAGENT, USER_AGENT},
		/* An empty text means none, where NULL would mean that of the environment. */
		{CURLOPT_PROXY, request->proxy ? request->proxy : ""},
		{CURLOPT_NOPROXY, ""},
	};
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{CURLOPT_VERBOSE, 0}, {CURLOPT_FOLLOWLOCATION, 0},
		{CURLOPT_DISALLOW_USERNAME_IN_URL, 1}, {CURLOPT_PATH_AS_IS, 1},
		{CURLOPT_NETRC, CURL_NETRC_IGNORED}, {CURLOPT_NOSIGNAL, 1},
		{CURLOPT_SSL_VERIFYPEER, 1}, {CURLOPT_SSL_VERIFYHOST, 2},
		{CURLOPT_PROXY_SSL_VERIFYPEER, 1}, {CURLOPT_PROXY_SSL_VERIFYHOST, 2},
		{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		{CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		/* One request gains nothing from HTTP/2, and its parser stays unused. */
		{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
		/* The proxy's headers are not the registry's, nor the other way round. */
		{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1}, {CURLOPT_HEADEROPT, CURLHEADER_SEPARATE},
		{CURLOPT_FORBID_REUSE, 1}, {CURLOPT_MAXFILESIZE, (long) request->body_max},
		{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MSEC},
		{CURLOPT_TIMEOUT_MS, msec > 0 ? (long) msec : 1}, /* For libcurl 0 is "never". */
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CURLcode code = curl_easy_setopt(curl, texts[i].option, texts[i].value);
		if (code != CURLE_OK)
			return code;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		CURLcode code = curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
		if (code != CURLE_OK)
			return code;
	}
	return CURLE_OK;
}

/* Instead of the system's store, not beside it: NULL takes the built-in directory away. */
static CURLcode http_set_ca(CURL *curl, const char *pem) {
	static const CURLoption directories[] = {CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH};
	static const CURLoption blobs[] = {CURLOPT_CAINFO_BLOB, CURLOPT_PROXY_CAINFO_BLOB};
	struct curl_blob blob = {
		.data = (void *) (uintptr_t) pem, /* libcurl copies it. */
		.len = strlen(pem),
		.flags = CURL_BLOB_COPY,
	};

	for (size_t i = 0; i < 2; i++) {
		CURLcode code = curl_easy_setopt(curl, directories[i], NULL);
		if (code != CURLE_OK)
			return code;
		code = curl_easy_setopt(curl, blobs[i], &blob);
		if (code != CURLE_OK)
			return code;
	}
	return CURLE_OK;
}

static CURLcode http_set_callbacks(
	CURL *curl, struct http_transfer *transfer, struct curl_slist *headers) {
	CURLcode code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_on_body);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, http_on_header);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	return code;
}

/* What a failure of libcurl means; a switch over some of its many codes. */
static enum refusal http_refusal(CURLcode code, const struct http_transfer *transfer) {
	if (transfer->is_out_of_memory || code == CURLE_OUT_OF_MEMORY)
		return REFUSAL_NO_MEMORY;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return REFUSAL_NETWORK_TIMEOUT;
	if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
		code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER ||
		code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
		code == CURLE_SSL_INVALIDCERTSTATUS || code == CURLE_USE_SSL_FAILED)
		return REFUSAL_TLS;
	return REFUSAL_NETWORK;
}

/* The header with its NUL. The caller frees it once libcurl is done with it. */
static int http_authorization(const struct secret *token, struct secret **ret) {
	struct secret *header;
	size_t name_size = strlen(AUTHORIZATION);

	int r = secret_new(name_size + secret_size(token) + 1, &header);
	if (r < 0)
		return r;
	memcpy(secret_bytes(header), AUTHORIZATION, name_size);
	memcpy(secret_bytes(header) + name_size, secret_peek(token), secret_size(token));
	*ret = header;
	return 0;
}

static CURLcode http_set_all(CURL *curl, const struct http_request *request,
	struct http_transfer *transfer, struct curl_slist *headers) {
	CURLcode code = http_set_common(curl, request);

	if (code == CURLE_OK && request->ca_pem)
		code = http_set_ca(curl, request->ca_pem);
	if (code == CURLE_OK)
		code = http_set_callbacks(curl, transfer, headers);
	return code;
}

/* Sends the request with these headers and takes the answer, as far as the limits let it in. */
static enum refusal http_perform(CURL *curl, const struct http_request *request,
	struct curl_slist *headers, struct http_answer *ret, char **ret_detail) {
	_cleanup_(http_transfer_done) struct http_transfer transfer = {
		.body_max = request->body_max,
	};

	CURLcode code = http_set_all(curl, request, &transfer, headers);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	if (code == CURLE_FILESIZE_EXCEEDED) /* The server announced more. */
		transfer.answer.broken_limit = request->body_max;
	if (code == CURLE_OK || transfer.answer.broken_limit > 0)
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
	if (code != CURLE_OK) {
		/* libcurl's own words: fixed texts, nothing that was sent or received. */
		*ret_detail = strdup(curl_easy_strerror(code));
		return http_refusal(code, &transfer);
	}
	*ret = transfer.answer;
	transfer.answer = HTTP_ANSWER_NULL;
	return REFUSAL_NONE;
}

static enum refusal http_get_with(CURL *curl, const struct http_request *request,
	struct http_answer *ret, char **ret_detail) {
	_cleanup_(secret_freep) struct secret *authorization = NULL;
	_cleanup_(freep) char *accept = NULL;

	if (asprintf(&accept, "Accept: %s", request->accept) < 0)
		return REFUSAL_NO_MEMORY;
	if (request->token && http_authorization(request->token, &authorization) < 0)
		return REFUSAL_NO_MEMORY;

	/* libcurl neither copies nor frees the list that it is given. */
	struct curl_slist first = {.data = accept};
	struct curl_slist second = {0};
	if (authorization) {
		second.data = (char *) secret_bytes(authorization);
		first.next = &second;
	}
	return http_perform(curl, request, &first, ret, ret_detail);
}

enum refusal http_get(
	const struct http_request *request, struct http_answer *ret, char **ret_detail) {
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return REFUSAL_INTERNAL;

	enum refusal refusal = REFUSAL_NO_MEMORY;
	CURL *curl = curl_easy_init();
	if (curl)
		refusal = http_get_with(curl, request, ret, ret_detail);
	curl_easy_cleanup(curl);
	return refusal;
}
