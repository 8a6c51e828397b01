/*
 * worker-net: fetches the config.json of one index and says what is in it. The
 * answer of a stranger's server is parsed here, where no secret is.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "challenge.h"
#include "http.h"
#include "protocol/json.h"
#include "protocol/names.h"

#define TIMEOUT_MSEC 30000u

/* Longest text of a server that goes into a refusal. */
#define DETAIL_MAX 200u

/* A task's texts, owned. */
struct net_task {
	char *url;
	char *ca_pem;
	char *proxy;
	uint64_t timeout_msec;
};

static void net_task_done(struct net_task *task) {
	free(task->url);
	free(task->ca_pem);
	free(task->proxy);
}

static int optional_string(const struct fields *fields, enum field field, char **ret) {
	int r = fields_get_string(fields, field, ret);
	return r == -ENOENT ? 0 : r;
}

/* Fills `task` (ended by net_task_done in any case). 0 or a negative errno. */
static int net_task_read(const struct fields *fields, struct net_task *task) {
	int r = fields_get_string(fields, FIELD_URL, &task->url);
	if (r < 0)
		return r;
	r = optional_string(fields, FIELD_CA_PEM, &task->ca_pem);
	if (r < 0)
		return r;
	r = optional_string(fields, FIELD_PROXY, &task->proxy);
	if (r < 0)
		return r;
	task->timeout_msec = TIMEOUT_MSEC;
	r = fields_get_u64(fields, FIELD_TIMEOUT_MSEC, &task->timeout_msec);
	return r == -ENOENT ? 0 : r;
}

/*
 * The core has decided about the URL; this looks again, because the request that
 * would betray a mistake there is made here.
 */
static enum refusal net_check_url(const char *url) {
	_cleanup_(freep) char *canonical = NULL;

	int r = web_url_canonical(url, &canonical);
	if (r == -ENOMEM)
		return REFUSAL_NO_MEMORY;
	if (r < 0 || strcmp(url, canonical) != 0)
		return REFUSAL_BAD_URL;
	if (registry_url_is_plain_http(canonical) && !registry_url_is_loopback(canonical))
		return REFUSAL_PLAIN_HTTP;
	return REFUSAL_NONE;
}

/* A server's text, cut and cleaned for people. NULL if there is none to show or no memory. */
static char *detail_clean(const char *text) {
	size_t size = strnlen(text, DETAIL_MAX);
	char *copy = strndup(text, size);

	for (size_t i = 0; copy && i < size; i++) {
		if (copy[i] < ' ' || copy[i] > '~')
			copy[i] = '?';
	}
	return copy;
}

static bool text_is_printable(const char *text) {
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			return false;
	}
	return true;
}

/* Where to get a token, if the challenge says so in a form that can be shown whole. */
static char *detail_from_challenge(const char *challenge) {
	_cleanup_(freep) char *url = NULL;

	if (!challenge || challenge_login_url(challenge, &url) < 0)
		return NULL;
	if (strlen(url) > URL_MAX || !text_is_printable(url))
		return NULL;
	return TAKE_PTR(url);
}

static char *detail_from_status(long status) {
	char *text;

	return asprintf(&text, "HTTP %ld", status) < 0 ? NULL : text;
}

/* REFUSAL_NONE for 200 alone: anything else is not the index's configuration. */
static enum refusal net_check_status(const struct http_answer *answer, char **ret_detail) {
	if (answer->status == 200)
		return REFUSAL_NONE;
	if (answer->status == 401) {
		*ret_detail = detail_from_challenge(answer->challenge);
		return REFUSAL_AUTH_REQUIRED;
	}
	if (answer->status >= 300 && answer->status < 400 && answer->location) {
		*ret_detail = detail_clean(answer->location);
		return REFUSAL_REDIRECT;
	}
	*ret_detail = detail_from_status(answer->status);
	return answer->status >= 300 && answer->status < 400 ? REFUSAL_REDIRECT
							     : REFUSAL_INDEX_REFUSED;
}

static enum refusal config_invalid(const char *why, char **ret_detail) {
	*ret_detail = strdup(why); /* Without memory for it the refusal stands alone. */
	return REFUSAL_INDEX_INVALID;
}

/* Puts the canonical form of a URL that config.json names. -EBADMSG if it is none. */
static int config_put_url(
	const struct json *config, const char *name, enum field field, struct fields *answer) {
	_cleanup_(freep) char *url = NULL;
	const char *raw;

	int r = json_get_string(config, name, &raw);
	if (r < 0)
		return r;
	r = web_url_canonical(raw, &url);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	return fields_put_string(answer, field, url);
}

/* cargo's RegistryConfig: `dl`, `api`, `auth-required`; others are not ours to judge. */
static enum refusal config_read(
	const struct json *config, struct fields *answer, char **ret_detail) {
	bool auth_required = false;

	if (!json_is_object(config))
		return config_invalid("config.json is no JSON object", ret_detail);

	int r = config_put_url(config, "api", FIELD_API, answer);
	if (r == -ENOENT)
		return config_invalid("config.json names no API", ret_detail);
	if (r == -EBADMSG)
		return config_invalid("the API's URL in config.json is malformed", ret_detail);
	if (r < 0)
		return refusal_from_errno(r);
	r = config_put_url(config, "dl", FIELD_DL, answer);
	if (r == -EBADMSG)
		return config_invalid("the download URL in config.json is malformed", ret_detail);
	if (r < 0 && r != -ENOENT)
		return refusal_from_errno(r);
	r = json_get_bool(config, "auth-required", &auth_required);
	if (r == -EBADMSG)
		return config_invalid("`auth-required` in config.json is no boolean", ret_detail);
	r = fields_put_u64(answer, FIELD_AUTH_REQUIRED, auth_required);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static enum refusal net_read_answer(
	const struct http_answer *http, struct fields *answer, char **ret_detail) {
	_cleanup_(json_freep) struct json *config = NULL;

	enum refusal refusal = net_check_status(http, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	int r = json_parse(http->body ? http->body : "", http->body_size, &config);
	if (r == -EBADMSG)
		return config_invalid("config.json is not strict JSON", ret_detail);
	if (r < 0)
		return refusal_from_errno(r);
	r = fields_put_u64(answer, FIELD_HTTP_STATUS, (uint64_t) http->status);
	if (r < 0)
		return refusal_from_errno(r);
	return config_read(config, answer, ret_detail);
}

static enum refusal net_work(struct fields *fields, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(net_task_done) struct net_task task = {0};
	_cleanup_(http_answer_done) struct http_answer http = HTTP_ANSWER_NULL;

	(void) fds;
	(void) n_fds;
	int r = sandbox_enter(SANDBOX_NET);
	if (r < 0)
		return refusal_from_errno(r);
	r = net_task_read(fields, &task);
	if (r < 0)
		return refusal_from_errno(r);
	enum refusal refusal = net_check_url(task.url);
	if (refusal != REFUSAL_NONE)
		return refusal;

	const struct http_request request = {
		.url = task.url,
		.ca_pem = task.ca_pem,
		.proxy = task.proxy,
		.timeout_msec = task.timeout_msec,
	};
	refusal = http_get(&request, &http, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return net_read_answer(&http, answer, ret_detail);
}

int main(void) {
	return worker_run(net_work);
}
