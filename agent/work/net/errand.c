#include "errand.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "challenge.h"
#include "config.h"
#include "crate_file.h"
#include "http.h"
#include "probe.h"
#include "protocol/names.h"
#include "task.h"
#include "words.h"

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

static char *detail_from_limit(size_t limit) {
	char *text;

	return asprintf(&text, "the answer is longer than %zu KiB", limit / 1024) < 0 ? NULL : text;
}

static bool status_is_redirect(long status) {
	return status >= 300 && status < 400;
}

static char *detail_from_redirect(const struct net_task *task, const struct http_answer *http) {
	const char *location = http->location;

	return location && *location
		       ? words_tell(location, strlen(location), WORDS_MAX, task->token)
		       : detail_from_status(http->status);
}

/*
 * REFUSAL_NONE for a whole 200. That a token was refused is told by 401 in cargo;
 * registries say 403 as well (crates.io always does, and those in which a token
 * has no right to this index), so with a token both mean that this one does not
 * do. The status goes along: a 403 may be a gateway's, and is no proof.
 */
static enum refusal index_check(
	const struct net_task *task, const struct http_answer *http, char **ret_detail) {
	if (http->broken_limit > 0) {
		*ret_detail = detail_from_limit(http->broken_limit);
		return REFUSAL_INDEX_INVALID;
	}
	if (http->status == 200)
		return REFUSAL_NONE;
	if (status_is_redirect(http->status)) {
		*ret_detail = detail_from_redirect(task, http);
		return REFUSAL_REDIRECT;
	}
	if (http->status == 401 && !task->token) {
		*ret_detail = detail_from_challenge(http->challenge);
		return REFUSAL_AUTH_REQUIRED;
	}
	*ret_detail = detail_from_status(http->status);
	if (task->token && (http->status == 401 || http->status == 403))
		return REFUSAL_TOKEN_REJECTED;
	return REFUSAL_INDEX_REFUSED;
}

static enum refusal errand_read_config(const struct net_task *task, const struct http_answer *http,
	struct fields *answer, char **ret_detail) {
	enum refusal refusal = index_check(task, http, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	int r = fields_put_u64(answer, FIELD_HTTP_STATUS, (uint64_t) http->status);
	if (r < 0)
		return refusal_from_errno(r);
	return config_read(http->body ? http->body : "", http->body_size, answer, ret_detail);
}

static int probe_put(const struct http_answer *http, enum verdict verdict, const char *words,
	struct fields *answer) {
	int r = fields_put_u64(answer, FIELD_HTTP_STATUS, (uint64_t) http->status);
	if (r < 0)
		return r;
	r = fields_put_u64(answer, FIELD_VERDICT, (uint64_t) verdict);
	if (r < 0)
		return r;
	if (verdict != VERDICT_UNKNOWN && verdict != VERDICT_LOCKED)
		return 0;
	return fields_put_string(answer, FIELD_DETAIL, words);
}

/* An answer beyond the limits is one more that is no verdict. */
static enum refusal errand_read_probe(const struct net_task *task, const struct http_answer *http,
	struct fields *answer, char **ret_detail) {
	_cleanup_(freep) char *words = NULL;
	enum verdict verdict = VERDICT_UNKNOWN;

	if (status_is_redirect(http->status)) {
		*ret_detail = detail_from_redirect(task, http);
		return REFUSAL_REDIRECT;
	}
	int r = 0;
	if (http->broken_limit == 0)
		r = probe_read(http->status, http->body ? http->body : "", http->body_size,
			task->token, &verdict, &words);
	if (r == 0)
		r = probe_put(http, verdict, words, answer);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

static int crate_put(const struct crate_file *file, struct fields *answer) {
	int r = fields_put_u64(answer, FIELD_IS_NEW, 0);
	if (r < 0)
		return r;
	r = fields_put_string(answer, FIELD_LAST_VERSION, file->last_version);
	if (r < 0)
		return r;
	r = fields_put_string(answer, FIELD_HIGHEST_VERSION, file->highest_version);
	if (r < 0)
		return r;
	return fields_put_string(answer, FIELD_CHECKSUM, file->checksum);
}

/* As in cargo (http_remote.rs): not there, not there any more, not there by law. */
static bool status_is_missing(long status) {
	return status == 404 || status == 410 || status == 451;
}

static enum refusal errand_read_crate(const struct net_task *task, const struct http_answer *http,
	struct fields *answer, char **ret_detail) {
	_cleanup_(crate_file_done) struct crate_file file = CRATE_FILE_NULL;

	int r = fields_put_u64(answer, FIELD_HTTP_STATUS, (uint64_t) http->status);
	if (r < 0)
		return refusal_from_errno(r);
	if (status_is_missing(http->status)) {
		r = fields_put_u64(answer, FIELD_IS_NEW, 1);
		return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
	}
	enum refusal refusal = index_check(task, http, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	r = crate_file_read(
		http->body ? http->body : "", http->body_size, task->crate, task->version, &file);
	if (r == -EBADMSG) {
		*ret_detail = strdup("the crate's file lists no version of exactly this name");
		return REFUSAL_INDEX_INVALID;
	}
	if (r == 0)
		r = crate_put(&file, answer);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

/* Whatever it says, it has been here, and its headers tell the rest. */
static enum refusal errand_read_clock(const struct http_answer *http, struct fields *answer) {
	int r = fields_put_u64(answer, FIELD_HTTP_STATUS, (uint64_t) http->status);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

enum refusal errand_read(const struct net_task *task, const struct http_answer *http,
	struct fields *answer, char **ret_detail) {
	switch (task->errand) {
	case ERRAND_CONFIG:
		return errand_read_config(task, http, answer, ret_detail);
	case ERRAND_PROBE:
		return errand_read_probe(task, http, answer, ret_detail);
	case ERRAND_CRATE:
		return errand_read_crate(task, http, answer, ret_detail);
	case ERRAND_CLOCK:
		return errand_read_clock(http, answer);
	case ERRAND_PUBLISH:
	case ERRAND_YANK:
	case ERRAND_UNYANK:
	case ERRAND_OWNERS_ADD:
	case ERRAND_OWNERS_REMOVE:
	case ERRAND_OWNERS_LIST:
	case ERRAND_REVOKE: /* An act's answer is another. */
	case _ERRAND_MAX:
		break;
	}
	return REFUSAL_INTERNAL;
}
