/* A line as a request, for the agent: typed, and every name in it checked. */

#include "request.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "request_release.h"
#include "request_sign.h"
#include "secret.h"

/* Copies an optional text member: 0 also when it is absent, -EBADMSG if it is no text. */
static int take_text(const struct json *object, const char *name, char **ret) {
	const char *text;
	char *copy;
	int r;

	r = json_get_string(object, name, &text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*ret);
	*ret = copy;
	return 0;
}

static int take_flag(const struct json *object, const char *name, bool *ret) {
	int r = json_get_bool(object, name, ret);

	return r == -ENOENT ? 0 : r;
}

static int take_registry(const struct json *root, struct request *request) {
	const struct json *registry = json_member(root, "registry");
	const struct json *headers;
	int r;

	if (!registry)
		return kind_row(request->kind)->has_registry ? -EBADMSG : 0;
	if (!json_is_object(registry))
		return -EBADMSG;
	r = take_text(registry, "index-url", &request->index_url);
	if (r < 0)
		return r;
	if (!request->index_url)
		return -EBADMSG;
	r = take_text(registry, "name", &request->registry_name);
	if (r < 0)
		return r;
	headers = json_member(registry, "headers");
	if (headers && !json_is_array(headers))
		return -EBADMSG;
	/* What they say is an attacker's to choose: they never release a token. */
	request->has_headers = headers && json_n_elements(headers) > 0;
	return request->has_headers ? request_take_challenge(headers, request) : 0;
}

/*
 * The provider's own arguments: only `--account NAME`. A word that we do not
 * know is refused, since a mistyped `--acount` must not publish as somebody else.
 * cargo puts those of its configuration first and those that were typed behind
 * `--` after them (cargo_login.rs, cargo_credential), so the last one is meant.
 */
static int take_arguments(const struct json *root, struct request *request) {
	const struct json *args = json_member(root, "args");

	if (!args)
		return 0;
	if (!json_is_array(args))
		return -EBADMSG;
	for (const struct json *arg = json_first(args); arg; arg = json_next(arg)) {
		const char *text = json_string(arg);
		const char *value = NULL;

		if (!text)
			return -EBADMSG;
		if (strncmp(text, "--account=", 10) == 0) {
			value = text + 10;
		} else if (strcmp(text, "--account") == 0) {
			arg = json_next(arg);
			value = arg ? json_string(arg) : NULL;
		}
		if (!value)
			return REFUSAL_ARGUMENT_UNKNOWN;
		if (!account_name_is_valid(value))
			return REFUSAL_BAD_NAME;
		free(request->account);
		request->account = strdup(value);
		if (!request->account)
			return -ENOMEM;
	}
	return 0;
}

/* What each operation brings along (cargo-credential, lib.rs, enum Operation). */
static int check_operation(const struct request *request) {
	enum operation operation = request->operation;
	bool has_crate = operation_has_crate(operation);
	bool has_version = operation_has_version(operation);
	bool has_checksum = operation_has_checksum(operation);

	if (operation == _OPERATION_INVALID)
		return REFUSAL_OPERATION_NOT_SUPPORTED;
	if ((has_crate && !request->crate) || (has_version && !request->version) ||
		(has_checksum && !request->checksum))
		return -EBADMSG;
	if ((has_crate && !crate_name_is_valid(request->crate)) ||
		(has_version && !semver_is_valid(request->version)) ||
		(has_checksum && !sha256_hex_is_valid(request->checksum)))
		return REFUSAL_BAD_NAME;
	return 0;
}

static int take_get(const struct json *root, struct request *request) {
	const char *operation;
	int r;

	r = json_get_string(root, "operation", &operation);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	request->operation = operation_from_name(operation);
	r = take_text(root, "name", &request->crate);
	if (r < 0)
		return r;
	r = take_text(root, "vers", &request->version);
	if (r < 0)
		return r;
	r = take_text(root, "cksum", &request->checksum);
	if (r < 0)
		return r;
	return check_operation(request);
}

static int take_token(const struct json *root, struct request *request) {
	const char *token;
	int r;

	r = json_get_string(root, "token", &token);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (!token_is_valid(token, strlen(token)))
		return REFUSAL_BAD_TOKEN;
	return secret_from(token, strlen(token), &request->token);
}

/* A time, which may be absent. */
static int take_time(const struct json *object, const char *name, int64_t *ret) {
	int r = json_get_integer(object, name, ret);

	if (r == -ENOENT)
		return 0;
	return r == 0 && *ret <= 0 ? -EBADMSG : r;
}

/* Only in our own words, and shown to people: printable, and no longer than a line. */
#define TOLD_MAX 256

static bool told_is_valid(const char *text) {
	size_t size = text ? strlen(text) : 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	}
	return !text || (size > 0 && size <= TOLD_MAX);
}

/* What the person tells of the token, and how it is to be treated. */
static int take_told(const struct json *root, struct request *request) {
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"no-check", &request->no_check},
		{"replace", &request->replace},
	};
	int r;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		r = take_flag(root, flags[i].name, flags[i].flag);
		if (r < 0)
			return r;
	}
	r = take_time(root, "expires", &request->expires);
	if (r == 0)
		r = take_text(root, "scope", &request->scope);
	if (r == 0)
		r = take_text(root, "crates", &request->crates);
	if (r == 0)
		r = take_text(root, "secret-in-file", &request->secret_in_file);
	if (r == 0)
		r = take_text(root, "secret-in-keyring", &request->secret_in_keyring);
	if (r < 0)
		return r;
	return told_is_valid(request->scope) && told_is_valid(request->crates) &&
			told_is_valid(request->secret_in_file)
		? 0
		: REFUSAL_BAD_NAME;
}

/* What the credential is for: absent for all, or `read`. */
static int take_use(const struct json *root, struct request *request) {
	const char *use;
	int r = json_get_string(root, "for", &use);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || strcmp(use, "read") != 0)
		return -EBADMSG;
	request->for_read = true;
	return 0;
}

/* Where the registry is and how it is reached. */
static int take_network(const struct json *root, struct request *request) {
	const struct {
		const char *name;
		char **text;
	} texts[] = {
		{"login-url", &request->login_url},
		{"url-file", &request->url_file},
		{"api", &request->api},
		{"ca-pem", &request->ca_pem},
		{"ca-file", &request->ca_file},
		{"proxy", &request->proxy},
	};
	const char *source;
	int r;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		r = take_text(root, texts[i].name, texts[i].text);
		if (r < 0)
			return r;
	}
	r = json_get_string(root, "url-source", &source);
	if (r == 0)
		r = url_source_from_name(source, &request->url_source);
	if (r < 0 && r != -ENOENT)
		return r;
	return take_flag(root, "allow-http", &request->allow_http);
}

static int take_login(const struct json *root, struct request *request) {
	int r = take_network(root, request);

	if (r == 0)
		r = take_use(root, request);
	if (r == 0)
		r = take_told(root, request);
	if (r == 0)
		r = request_take_signing(root, request);
	return r != 0 ? r : take_token(root, request);
}

static int take_init(const struct json *root, struct request *request) {
	int r;

	r = take_text(root, "store", &request->store);
	if (r < 0)
		return r;
	return take_flag(root, "no-passphrase", &request->no_passphrase);
}

/* Absent: the file that is sent along. */
static int take_import(const struct json *root, struct request *request) {
	const char *from;
	int r = json_get_string(root, "from", &from);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || strcmp(from, "keyring") != 0)
		return -EBADMSG;
	request->from_keyring = true;
	return take_text(root, "wipe", &request->wipe);
}

/* Where to; nothing else is anywhere that lasts. */
static int take_move(const struct json *root, struct request *request) {
	int r = take_text(root, "to", &request->to);

	if (r < 0)
		return r;
	return request->to && (strcmp(request->to, "keyring") == 0 ||
				      strcmp(request->to, "vault") == 0)
		? 0
		: -EBADMSG;
}

/* 0, a positive refusal, or a negative errno. */
static int take_fields(const struct json *root, struct request *request) {
	int r;

	r = take_registry(root, request);
	if (r < 0)
		return r;
	r = take_arguments(root, request);
	if (r != 0)
		return r;
	if (!request->account) {
		r = take_text(root, "account", &request->account);
		if (r < 0)
			return r;
	}
	if (request->account && !account_name_is_valid(request->account))
		return REFUSAL_BAD_NAME;
	r = take_flag(root, "secret-in-pipe", &request->secret_in_pipe);
	if (r < 0)
		return r;

	switch (request->kind) {
	case KIND_GET:
		return take_get(root, request);
	case KIND_LOGIN:
		return take_login(root, request);
	case KIND_LOGOUT:
		r = take_flag(root, "all", &request->all);
		if (r == 0)
			r = take_use(root, request);
		if (r < 0)
			return r;
		/* All of which? Rather nothing than more than was meant. */
		if (request->all && request->for_read)
			return -EBADMSG;
		return request->index_url || request->all ? 0 : -EBADMSG;
	case KIND_INIT:
		return take_init(root, request);
	case KIND_IMPORT:
		return take_import(root, request);
	case KIND_MOVE:
		return take_move(root, request);
	case KIND_TRUST:
		return take_network(root, request);
	case KIND_REVOKE:
		r = take_use(root, request);
		return r < 0 ? r : request_take_release(root, request);
	case KIND_KEY:
		r = take_use(root, request);
		return r < 0 ? r : request_take_key(root, request);
	case KIND_SEAL:
	case KIND_PROPOSE:
	case KIND_PUBLISH:
	case KIND_VERIFY:
	case KIND_AWAIT:
	case KIND_YANK:
	case KIND_UNYANK:
	case KIND_OWNER:
	case KIND_CHECK:
		return request_take_release(root, request);
	case KIND_LIST:
	case KIND_STATUS:
	case KIND_LOCK:
	case KIND_UNLOCK:
	case KIND_PASSWD:
	case _KIND_MAX:
	case _KIND_INVALID:
		break;
	}
	return 0;
}

static int check_version(const struct json *root) {
	int64_t version;
	int r;

	r = json_get_integer(root, "v", &version);
	if (r < 0)
		return REFUSAL_BAD_REQUEST;
	return version == 1 ? 0 : REFUSAL_BAD_VERSION;
}

int request_parse(const char *line, size_t size, struct request **ret) {
	_cleanup_(request_freep) struct request *request = NULL;
	_cleanup_(json_freep) struct json *root = NULL;
	const char *name;
	enum kind kind;
	int r;

	r = json_parse(line, size, &root);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || !json_is_object(root))
		return REFUSAL_BAD_REQUEST;
	r = check_version(root);
	if (r != 0)
		return r;
	r = json_get_string(root, "kind", &name);
	if (r < 0)
		return REFUSAL_BAD_REQUEST;
	kind = kind_from_name(name);
	if (kind == _KIND_INVALID)
		return REFUSAL_OPERATION_NOT_SUPPORTED;
	request = request_new(kind);
	if (!request)
		return -ENOMEM;
	r = take_fields(root, request);
	if (r == -EBADMSG)
		return REFUSAL_BAD_REQUEST;
	if (r != 0)
		return r;
	*ret = TAKE_PTR(request);
	return 0;
}
