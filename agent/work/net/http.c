#include "http.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "protocol/cleanup.h"

#ifndef CPUB_VERSION
#define CPUB_VERSION "0"
#endif

#define USER_AGENT "cpub-agent/" CPUB_VERSION " (https credential agent for cargo)"
#define CONNECT_MSEC 10000L
#define TIMEOUT_MSEC_MAX 600000u

/* What the callbacks fill while the answer comes in. */
struct http_transfer {
	struct http_answer answer;
	size_t headers_size;
	bool is_too_long;
	bool is_out_of_memory;
};

static void curl_freep(CURL **curl) {
	curl_easy_cleanup(*curl);
}

static void list_freep(struct curl_slist **list) {
	curl_slist_free_all(*list);
}

void http_answer_done(struct http_answer *answer) {
	free(answer->body);
	free(answer->location);
	free(answer->challenge);
	*answer = HTTP_ANSWER_NULL;
}

static void http_transfer_done(struct http_transfer *transfer) {
	http_answer_done(&transfer->answer);
}

/* Any value but `size` makes libcurl give up. */
static size_t http_on_body(char *bytes, size_t one, size_t size, void *userdata) {
	struct http_transfer *transfer = userdata;
	struct http_answer *answer = &transfer->answer;

	(void) one;
	if (size > HTTP_ANSWER_MAX - answer->body_size) {
		transfer->is_too_long = true;
		return 0;
	}
	char *larger = realloc(answer->body, answer->body_size + size + 1);
	if (!larger) {
		transfer->is_out_of_memory = true;
		return 0;
	}
	memcpy(larger + answer->body_size, bytes, size);
	answer->body = larger;
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
	if (size > HTTP_ANSWER_MAX - transfer->headers_size) {
		transfer->is_too_long = true;
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
		{CURLOPT_FOLLOWLOCATION, 0}, {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
		{CURLOPT_PATH_AS_IS, 1}, {CURLOPT_NETRC, CURL_NETRC_IGNORED}, {CURLOPT_NOSIGNAL, 1},
		{CURLOPT_SSL_VERIFYPEER, 1}, {CURLOPT_SSL_VERIFYHOST, 2},
		{CURLOPT_PROXY_SSL_VERIFYPEER, 1}, {CURLOPT_PROXY_SSL_VERIFYHOST, 2},
		{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		{CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		/* One request gains nothing from HTTP/2, and its parser stays unused. */
		{CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
		{CURLOPT_SUPPRESS_CONNECT_HEADERS,
			1}, /* The proxy's headers are not the registry's. */
		{CURLOPT_FORBID_REUSE, 1}, {CURLOPT_MAXFILESIZE, (long) HTTP_ANSWER_MAX},
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
	if (transfer->is_out_of_memory)
		return REFUSAL_NO_MEMORY;
	if (transfer->is_too_long)
		return REFUSAL_INDEX_INVALID;
	if (code == CURLE_OUT_OF_MEMORY)
		return REFUSAL_NO_MEMORY;
	if (code == CURLE_FILESIZE_EXCEEDED)
		return REFUSAL_INDEX_INVALID;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return REFUSAL_NETWORK_TIMEOUT;
	if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
		code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER ||
		code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
		code == CURLE_SSL_INVALIDCERTSTATUS || code == CURLE_USE_SSL_FAILED)
		return REFUSAL_TLS;
	return REFUSAL_NETWORK;
}

static enum refusal http_fail(
	CURLcode code, const struct http_transfer *transfer, char **ret_detail) {
	enum refusal refusal = http_refusal(code, transfer);

	/* libcurl's own words: fixed texts, nothing that the server said. */
	*ret_detail = strdup(refusal == REFUSAL_INDEX_INVALID ? "the answer is longer than 64 KiB"
							      : curl_easy_strerror(code));
	return refusal;
}

static enum refusal http_perform(CURL *curl, const struct http_request *request,
	struct http_answer *ret, char **ret_detail) {
	_cleanup_(http_transfer_done) struct http_transfer transfer = {0};
	_cleanup_(list_freep) struct curl_slist *headers =
		curl_slist_append(NULL, "Accept: application/json");
	if (!headers)
		return REFUSAL_NO_MEMORY;

	CURLcode code = http_set_common(curl, request);
	if (code == CURLE_OK && request->ca_pem)
		code = http_set_ca(curl, request->ca_pem);
	if (code == CURLE_OK)
		code = http_set_callbacks(curl, &transfer, headers);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
	if (code != CURLE_OK)
		return http_fail(code, &transfer, ret_detail);
	*ret = transfer.answer;
	transfer.answer = HTTP_ANSWER_NULL;
	return REFUSAL_NONE;
}

enum refusal http_get(
	const struct http_request *request, struct http_answer *ret, char **ret_detail) {
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return REFUSAL_INTERNAL;

	enum refusal refusal = REFUSAL_NO_MEMORY;
	_cleanup_(curl_freep) CURL *curl = curl_easy_init();
	if (curl)
		refusal = http_perform(curl, request, ret, ret_detail);
	return refusal;
}
