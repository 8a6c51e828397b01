/*
 * The token lies in guarded memory of ours, also while libcurl sends it: the list
 * of headers is not copied, and its last link is our own. What remains is not ours
 * to wipe: the request that libcurl puts together on its heap, for https once more
 * in the buffer that it feeds TLS from (measured: one copy, and two), and OpenSSL's
 * record, which is encrypted in place. All of it dies with this process, which
 * sends one answer and ends.
 */

#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "http_body.h"
#include "protocol/secret.h"

#ifndef CPUB_VERSION
#define CPUB_VERSION "0"
#endif

#define USER_AGENT "cpub-agent/" CPUB_VERSION " (https credential agent for cargo)"
#define CONNECT_MSEC 10000L
#define TIMEOUT_MSEC_MAX 3600000u
#define AUTHORIZATION "Authorization: "

/* Why libcurl was told to stop. */
enum http_stop {
	STOP_NONE,
	STOP_IDLE,
	STOP_ANSWERED, /* before the body was sent: nobody waits for the rest of it */
	STOP_ALONE,    /* the progress has no listener any more */
	STOP_NO_MEMORY,
};

/* What the callbacks look at and fill. */
struct http_transfer {
	const struct http_request *request;
	struct http_answer answer;
	enum http_stop stop;
	bool has_left;
	uint64_t moved;	     /* bytes in both directions */
	uint64_t moved_msec; /* when that number last changed */
};

static void http_transfer_done(struct http_transfer *transfer) {
	http_answer_done(&transfer->answer);
}

static uint64_t now_msec(void) {
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now); /* A valid clock. */
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static bool http_took(struct http_transfer *transfer, int r) {
	if (r == -ENOMEM)
		transfer->stop = STOP_NO_MEMORY;
	return r == 0;
}

/* Any value but `size` makes libcurl give up. */
static size_t http_on_body(char *bytes, size_t one, size_t size, void *userdata) {
	struct http_transfer *transfer = userdata;

	(void) one;
	int r = http_answer_take_body(&transfer->answer, bytes, size, transfer->request->body_max);
	return http_took(transfer, r) ? size : 0;
}

static size_t http_on_header(char *line, size_t one, size_t size, void *userdata) {
	struct http_transfer *transfer = userdata;

	(void) one;
	return http_took(transfer, http_answer_take_line(&transfer->answer, line, size)) ? size : 0;
}

static size_t http_on_read(char *bytes, size_t one, size_t size, void *userdata) {
	struct http_transfer *transfer = userdata;

	ssize_t n = http_body_read(transfer->request->body, bytes, one * size);
	return n < 0 ? CURL_READFUNC_ABORT : (size_t) n;
}

/*
 * The connection stands, and nothing of the request is on it. A second time there
 * is none: libcurl would send the request again.
 */
static int http_on_ready(void *userdata, char *theirs, char *ours, int their_port, int our_port) {
	struct http_transfer *transfer = userdata;

	(void) theirs;
	(void) ours;
	(void) their_port;
	(void) our_port;
	if (transfer->has_left)
		return CURL_PREREQFUNC_ABORT;
	transfer->has_left = true;
	transfer->moved_msec = now_msec();
	return CURL_PREREQFUNC_OK;
}

static bool http_is_idle(struct http_transfer *transfer, uint64_t sent) {
	const struct http_answer *answer = &transfer->answer;
	uint64_t idle_msec = transfer->request->idle_msec, now = now_msec();
	uint64_t moved = sent + answer->headers_size + answer->body_size;

	if (moved != transfer->moved) {
		transfer->moved = moved;
		transfer->moved_msec = now;
	}
	/* The server has time to think about what it got. */
	if (sent == http_body_size(transfer->request->body) && !answer->has_head)
		idle_msec *= 2;
	return idle_msec > 0 && now - transfer->moved_msec >= idle_msec;
}

/* Called at each step, and once a second. Any value but 0 makes libcurl give up. */
static int http_on_step(
	void *userdata, curl_off_t to_come, curl_off_t come, curl_off_t to_send, curl_off_t sent) {
	struct http_transfer *transfer = userdata;
	const struct http_request *request = transfer->request;
	uint64_t total = http_body_size(request->body), done = sent > 0 ? (uint64_t) sent : 0;

	(void) to_come;
	(void) come;
	(void) to_send;
	if (!transfer->has_left)
		return 0;
	if (http_is_idle(transfer, done))
		transfer->stop = STOP_IDLE;
	else if (done < total && http_answer_has_body(&transfer->answer))
		transfer->stop = STOP_ANSWERED;
	else if (request->on_progress && request->on_progress(done, total) < 0)
		transfer->stop = STOP_ALONE;
	return transfer->stop != STOP_NONE;
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
		{CURLOPT_CUSTOMREQUEST, request->method},
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
		{CURLOPT_FORBID_REUSE, 1},
		/*
		 * Where more is announced libcurl gives up before the headers have ended. With 0 it
		 * does not: where a part of an answer does, it is they that count.
		 */
		{CURLOPT_MAXFILESIZE, request->takes_cut ? 0 : (long) request->body_max},
		{CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MSEC}, {CURLOPT_NOPROGRESS, 0},
		{CURLOPT_UPLOAD, request->body != NULL},
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
	const struct http_body *body = transfer->request->body;
	CURLcode code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_on_body);

	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, http_on_header);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_READFUNCTION, http_on_read);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, http_on_ready);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_PREREQDATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, http_on_step);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	/* Its length is known, so that it is not sent in chunks. */
	if (code == CURLE_OK && body)
		code = curl_easy_setopt(
			curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) http_body_size(body));
	return code;
}

/* What a failure of libcurl means; a switch over some of its many codes. */
static enum refusal http_refusal(CURLcode code, const struct http_transfer *transfer) {
	if (transfer->stop == STOP_NO_MEMORY || code == CURLE_OUT_OF_MEMORY)
		return REFUSAL_NO_MEMORY;
	if (transfer->stop == STOP_IDLE || code == CURLE_OPERATION_TIMEDOUT)
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

/*
 * A body that only the end of the connection ends may have been cut there by anybody:
 * libcurl does not ask that TLS be closed in order. A document has an end of its own;
 * no body at all has not.
 */
static bool http_has_end(const struct http_answer *answer) {
	return answer->body_size > 0 || answer->is_chunked || answer->announced == 0 ||
	       answer->status == 204;
}

/* Whether all of the request was sent, and all of the answer has come. */
static bool http_is_whole(CURL *curl, const struct http_transfer *transfer) {
	curl_off_t sent = 0;

	return transfer->answer.broken_limit == 0 && http_has_end(&transfer->answer) &&
	       curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
	       (uint64_t) sent == http_body_size(transfer->request->body);
}

/* Takes the answer, as far as the limits and the connection let it in. */
static enum refusal http_conclude(CURL *curl, CURLcode code, struct http_transfer *transfer,
	struct http_answer *ret, char **ret_detail) {
	struct http_answer *answer = &transfer->answer;

	if (code == CURLE_FILESIZE_EXCEEDED) /* The server announced more. */
		answer->broken_limit = transfer->request->body_max;
	else if (code == CURLE_OK && !answer->has_head) /* libcurl is content with half of it. */
		code = CURLE_WEIRD_SERVER_REPLY;
	bool is_over = code == CURLE_OK;
	if (code == CURLE_OK || answer->broken_limit > 0 ||
		(transfer->request->takes_cut && answer->has_head))
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (code != CURLE_OK) {
		/* libcurl's own words: fixed texts, nothing that was sent or received. */
		*ret_detail = strdup(transfer->stop == STOP_IDLE ? "nothing came for too long"
								 : curl_easy_strerror(code));
		return http_refusal(code, transfer);
	}
	answer->is_whole = is_over && http_is_whole(curl, transfer);
	*ret = *answer;
	*answer = HTTP_ANSWER_NULL;
	return REFUSAL_NONE;
}

static enum refusal http_perform(CURL *curl, const struct http_request *request,
	struct curl_slist *headers, struct http_answer *ret, bool *ret_has_left,
	char **ret_detail) {
	_cleanup_(http_transfer_done) struct http_transfer transfer = {
		.request = request,
		.answer = HTTP_ANSWER_NULL,
	};

	CURLcode code = http_set_all(curl, request, &transfer, headers);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	*ret_has_left = transfer.has_left;
	return http_conclude(curl, code, &transfer, ret, ret_detail);
}

static enum refusal http_send_with(CURL *curl, const struct http_request *request,
	struct http_answer *ret, bool *ret_has_left, char **ret_detail) {
	_cleanup_(secret_freep) struct secret *authorization = NULL;
	_cleanup_(freep) char *accept = NULL, *type = NULL;
	/* Without a value it is one that libcurl would add, and does not. */
	static char no_expect[] = "Expect:";
	/* libcurl neither copies nor frees the list that it is given. */
	struct curl_slist list[4] = {0};
	size_t n = 0;

	if (asprintf(&accept, "Accept: %s", request->accept) < 0)
		return REFUSAL_NO_MEMORY;
	list[n++].data = accept;
	list[n++].data = no_expect;
	if (request->content_type) {
		if (asprintf(&type, "Content-Type: %s", request->content_type) < 0)
			return REFUSAL_NO_MEMORY;
		list[n++].data = type;
	}
	if (request->token) {
		if (http_authorization(request->token, &authorization) < 0)
			return REFUSAL_NO_MEMORY;
		list[n++].data = (char *) secret_bytes(authorization);
	}
	for (size_t i = 0; i + 1 < n; i++)
		list[i].next = &list[i + 1];
	return http_perform(curl, request, list, ret, ret_has_left, ret_detail);
}

enum refusal http_send(const struct http_request *request, struct http_answer *ret,
	bool *ret_has_left, char **ret_detail) {
	*ret_has_left = false;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return REFUSAL_INTERNAL;

	enum refusal refusal = REFUSAL_NO_MEMORY;
	CURL *curl = curl_easy_init();
	if (curl)
		refusal = http_send_with(curl, request, ret, ret_has_left, ret_detail);
	curl_easy_cleanup(curl);
	return refusal;
}
