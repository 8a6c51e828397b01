/* Reading a request: what is to be published, yanked, owned. */

#include "request_release.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "request.h"

static int take_flag(const struct json *object, const char *name, bool *ret) {
	int r = json_get_bool(object, name, ret);

	return r == -ENOENT ? 0 : r;
}

static int copy_text(const struct json *object, const char *name, char **ret) {
	const char *text;
	int r = json_get_string(object, name, &text);

	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	free(*ret);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int check_release(const char *crate, const char *version) {
	return crate_name_is_valid(crate) && semver_is_valid(version) ? 0 : REFUSAL_BAD_NAME;
}

/* One crate, perhaps with a version. */
static int take_crate(const struct json *root, bool has_version, struct request *request) {
	int r = copy_text(root, "name", &request->crate);

	if (r == 0 && has_version)
		r = copy_text(root, "vers", &request->version);
	if (r < 0)
		return r;
	return crate_name_is_valid(request->crate) &&
			(!request->version || semver_is_valid(request->version))
		? 0
		: REFUSAL_BAD_NAME;
}

static int take_releases(const struct json *root, struct request *request) {
	const struct json *releases = json_member(root, "releases");
	size_t n = json_is_array(releases) ? json_n_elements(releases) : 0;

	if (n == 0 || n > RELEASES_IN_REQUEST_MAX)
		return -EBADMSG;
	request->releases = calloc(n, sizeof(*request->releases));
	if (!request->releases)
		return -ENOMEM;
	for (const struct json *one = json_first(releases); one; one = json_next(one)) {
		struct request_release *release = &request->releases[request->n_releases++];
		int r = copy_text(one, "name", &release->crate);

		if (r == 0)
			r = copy_text(one, "vers", &release->version);
		if (r == 0)
			r = check_release(release->crate, release->version);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Absent: NULL. */
static int take_logins(const struct json *root, const char *name, char ***ret) {
	const struct json *logins = json_member(root, name);
	size_t n;

	if (!logins)
		return 0;
	n = json_is_array(logins) ? json_n_elements(logins) : 0;
	if (n == 0 || n > LOGINS_IN_REQUEST_MAX)
		return -EBADMSG;
	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	n = 0;
	for (const struct json *one = json_first(logins); one; one = json_next(one)) {
		const char *login = json_string(one);

		if (!login)
			return -EBADMSG;
		if (!owner_login_is_valid(login))
			return REFUSAL_BAD_NAME;
		(*ret)[n] = strdup(login);
		if (!(*ret)[n++])
			return -ENOMEM;
	}
	return 0;
}

static int take_owner(const struct json *root, struct request *request) {
	int r = take_crate(root, false, request);

	if (r == 0)
		r = take_logins(root, "add", &request->add);
	if (r == 0)
		r = take_logins(root, "remove", &request->remove);
	return r;
}

static int take_seal(const struct json *root, struct request *request) {
	int r = json_get_integer(root, "size-max", &request->size_max);

	if (r == -ENOENT)
		return 0;
	return r == 0 && (request->size_max <= 0 || request->size_max > CRATE_SIZE_MAX) ? -EBADMSG : r;
}

static int take_propose(const struct json *root, struct request *request) {
	int r = take_flag(root, "verify", &request->will_verify);

	if (r == 0)
		r = take_flag(root, "dry-run", &request->is_dry_run);
	if (r == 0)
		r = take_flag(root, "resume", &request->may_resume);
	return r;
}

/* The crate of `check` may be left out, and its version too. */
static int take_check(const struct json *root, struct request *request) {
	if (!json_member(root, "name"))
		return json_member(root, "vers") ? -EBADMSG : 0;
	return take_crate(root, json_member(root, "vers") != NULL, request);
}

int request_take_release(const struct json *root, struct request *request) {
	int r = take_flag(root, "progress", &request->wants_progress);

	if (r < 0)
		return r;
	switch (request->kind) {
	case KIND_SEAL:
		return take_seal(root, request);
	case KIND_PROPOSE:
		return take_propose(root, request);
	case KIND_PUBLISH:
	case KIND_AWAIT:
		return take_crate(root, true, request);
	case KIND_YANK:
	case KIND_UNYANK:
		return take_releases(root, request);
	case KIND_OWNER:
		return take_owner(root, request);
	case KIND_REVOKE:
		return take_flag(root, "forget", &request->forget);
	case KIND_CHECK:
		return take_check(root, request);
	case KIND_GET:
	case KIND_LOGIN:
	case KIND_LOGOUT:
	case KIND_INIT:
	case KIND_LIST:
	case KIND_STATUS:
	case KIND_LOCK:
	case KIND_UNLOCK:
	case KIND_PASSWD:
	case KIND_MOVE:
	case KIND_TRUST:
	case KIND_IMPORT:
	case KIND_VERIFY:
	case KIND_KEY:
	case _KIND_MAX:
	case _KIND_INVALID:
		break;
	}
	return 0;
}
