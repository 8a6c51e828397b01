#include "request.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "secret.h"

static const char *const url_sources[] = {
	[URL_SOURCE_UNKNOWN] = "unknown",
	[URL_SOURCE_GIVEN] = "given",
	[URL_SOURCE_USER] = "user",
	[URL_SOURCE_PROJECT] = "project",
	[URL_SOURCE_ENVIRONMENT] = "environment",
};
static_assert(sizeof(url_sources) / sizeof(url_sources[0]) == _URL_SOURCE_MAX, "all named");

const char *url_source_name(enum url_source source) {
	return url_sources[source];
}

int url_source_from_name(const char *name, enum url_source *ret) {
	for (int i = 0; i < _URL_SOURCE_MAX; i++) {
		if (strcmp(url_sources[i], name) == 0) {
			*ret = (enum url_source) i;
			return 0;
		}
	}
	return -EBADMSG;
}

static const char *const key_changes[] = {
	[KEY_SHOW] = "show",
	[KEY_ROTATE] = "rotate",
	[KEY_FINISH] = "finish",
	[KEY_CANCEL] = "cancel",
	[KEY_SET] = "set",
};
static_assert(sizeof(key_changes) / sizeof(key_changes[0]) == _KEY_CHANGE_MAX, "all named");

const char *key_change_name(enum key_change change) {
	return key_changes[change];
}

enum key_change key_change_from_name(const char *name) {
	for (int i = 0; i < _KEY_CHANGE_MAX; i++) {
		if (strcmp(key_changes[i], name) == 0)
			return (enum key_change) i;
	}
	return _KEY_CHANGE_INVALID;
}

bool request_takes_file(const struct request *request) {
	return (request->kind == KIND_IMPORT && !request->from_keyring) || request->secret_in_file ||
	       request->kind == KIND_SEAL || request->kind == KIND_VERIFY;
}

struct request *request_new(enum kind kind) {
	struct request *request = calloc(1, sizeof(*request));

	if (request) {
		request->kind = kind;
		request->operation = _OPERATION_INVALID;
	}
	return request;
}

/* A token that somebody typed in the wrong place must not outlive the request either. */
static void free_text(char *text) {
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void free_list(char **list) {
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

struct request *request_free(struct request *request) {
	if (!request)
		return NULL;
	free_text(request->index_url);
	free_text(request->registry_name);
	free_text(request->account);
	free_text(request->crate);
	free_text(request->version);
	free_text(request->checksum);
	secret_free(request->token);
	free_text(request->login_url);
	free_text(request->url_file);
	free_text(request->api);
	free_text(request->ca_pem);
	free_text(request->ca_file);
	free_text(request->proxy);
	free_text(request->scope);
	free_text(request->crates);
	free_text(request->secret_in_file);
	free_text(request->secret_in_keyring);
	free_text(request->wipe);
	free_text(request->subject);
	free_text(request->challenge);
	free_text(request->store);
	free_text(request->to);
	for (size_t i = 0; i < request->n_releases; i++) {
		free(request->releases[i].crate);
		free(request->releases[i].version);
	}
	free(request->releases);
	free_list(request->add);
	free_list(request->remove);
	free(request);
	return NULL;
}
