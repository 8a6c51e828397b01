#include "task.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "payload.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define TIMEOUT_MSEC 30000u
#define IDLE_MSEC 60000
#define TRUSTED_TOKEN "cio_tp_"

/* What each errand cannot be run without, beside its URL. */
#define NEEDS_TOKEN 1u
#define NEEDS_CRATE 2u
#define NEEDS_VERSION 4u
#define NEEDS_USERS 8u
#define NEEDS_FILES 16u
#define IS_ACT 32u
/* … and with which it must not be. */
#define NO_TOKEN 64u

static const unsigned needs[_ERRAND_MAX] = {
	[ERRAND_PROBE] = NEEDS_TOKEN,
	[ERRAND_CRATE] = NEEDS_CRATE,
	[ERRAND_PUBLISH] = IS_ACT | NEEDS_TOKEN | NEEDS_CRATE | NEEDS_VERSION | NEEDS_FILES,
	[ERRAND_YANK] = IS_ACT | NEEDS_TOKEN | NEEDS_CRATE | NEEDS_VERSION,
	[ERRAND_UNYANK] = IS_ACT | NEEDS_TOKEN | NEEDS_CRATE | NEEDS_VERSION,
	[ERRAND_OWNERS_ADD] = IS_ACT | NEEDS_TOKEN | NEEDS_CRATE | NEEDS_USERS,
	[ERRAND_OWNERS_REMOVE] = IS_ACT | NEEDS_TOKEN | NEEDS_CRATE | NEEDS_USERS,
	[ERRAND_OWNERS_LIST] = IS_ACT | NEEDS_CRATE,
	[ERRAND_REVOKE] = IS_ACT | NEEDS_TOKEN,
	[ERRAND_CLOCK] = NO_TOKEN,
};

void net_task_done(struct net_task *task) {
	secret_free(task->token);
	free(task->url);
	free(task->ca_pem);
	free(task->proxy);
	free(task->crate);
	free(task->version);
	free(task->users);
	*task = NET_TASK_NULL;
}

static int absent_is_fine(int r) {
	return r == -ENOENT ? 0 : r;
}

static int net_task_read_texts(const struct fields *fields, struct net_task *task) {
	const struct {
		enum field field;
		char **text;
	} texts[] = {
		{FIELD_CA_PEM, &task->ca_pem},
		{FIELD_PROXY, &task->proxy},
		{FIELD_CRATE, &task->crate},
		{FIELD_VERSION, &task->version},
		{FIELD_USERS, &task->users},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = absent_is_fine(fields_get_string(fields, texts[i].field, texts[i].text));
		if (r < 0)
			return r;
	}
	return fields_get_string(fields, FIELD_URL, &task->url);
}

static int net_task_read_times(const struct fields *fields, struct net_task *task) {
	task->timeout_msec = TIMEOUT_MSEC;
	task->idle_msec = net_task_is_act(task) ? IDLE_MSEC : 0;
	int r = absent_is_fine(fields_get_u64(fields, FIELD_TIMEOUT_MSEC, &task->timeout_msec));
	if (r < 0)
		return r;
	return absent_is_fine(fields_get_u64(fields, FIELD_IDLE_MSEC, &task->idle_msec));
}

static bool net_task_has_all(const struct net_task *task, size_t n_fds) {
	unsigned had = (task->token ? NEEDS_TOKEN : 0) | (task->crate ? NEEDS_CRATE : 0) |
		       (task->version ? NEEDS_VERSION : 0) | (task->users ? NEEDS_USERS : 0) |
		       (n_fds == NET_N_FILES ? NEEDS_FILES : 0) |
		       (task->token ? 0 : NO_TOKEN) | IS_ACT;

	return (needs[task->errand] & ~had) == 0;
}

int net_task_read(
	const struct fields *fields, const int *fds, size_t n_fds, struct net_task *task) {
	uint64_t errand = ERRAND_CONFIG;

	int r = absent_is_fine(fields_get_u64(fields, FIELD_ERRAND, &errand));
	if (r < 0)
		return r;
	if (errand >= _ERRAND_MAX)
		return -EBADMSG;
	task->errand = (enum errand) errand;
	r = net_task_read_times(fields, task);
	if (r < 0)
		return r;
	r = net_task_read_texts(fields, task);
	if (r < 0)
		return r;
	r = absent_is_fine(fields_get_secret(fields, FIELD_TOKEN, &task->token));
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_fds && i < NET_N_FILES; i++) {
		task->fds[i] = fds[i];
		task->sizes[i] = payload_file_size(fds[i]);
	}
	return net_task_has_all(task, n_fds) ? 0 : -EBADMSG;
}

bool net_task_is_act(const struct net_task *task) {
	return needs[task->errand] & IS_ACT;
}

/* As crates.io reads it (src/auth.rs): alone, or behind a scheme. */
bool net_task_has_trusted_token(const struct net_task *task) {
	if (!task->token)
		return false;
	const char *token = (const char *) secret_peek(task->token);
	size_t size = secret_size(task->token), scheme_size = strlen("Bearer ");

	if (size > scheme_size && strncasecmp(token, "Bearer ", scheme_size) == 0) {
		token += scheme_size;
		size -= scheme_size;
	}
	for (; size > 0 && *token == ' '; token++)
		size--;
	return size > strlen(TRUSTED_TOKEN) &&
	       memcmp(token, TRUSTED_TOKEN, strlen(TRUSTED_TOKEN)) == 0;
}

static bool users_are_valid(const char *users) {
	do {
		_cleanup_(freep) char *login = strndup(users, strcspn(users, "\n"));
		if (!login || !owner_login_is_valid(login))
			return false;
		users += strlen(login);
	} while (*users++);
	return true;
}

static enum refusal net_task_check_url(const struct net_task *task) {
	_cleanup_(freep) char *canonical = NULL;

	int r = web_url_canonical(task->url, &canonical);
	if (r == -ENOMEM)
		return REFUSAL_NO_MEMORY;
	if (r < 0 || strcmp(task->url, canonical) != 0)
		return REFUSAL_BAD_URL;
	if (!registry_url_is_plain_http(canonical))
		return REFUSAL_NONE;
	/* For https a proxy gets a CONNECT and no more; here it would get the request. */
	bool leaves_machine = !registry_url_is_loopback(canonical);
	bool is_shown_to_proxy = task->token && task->proxy && *task->proxy;
	return leaves_machine || is_shown_to_proxy ? REFUSAL_PLAIN_HTTP : REFUSAL_NONE;
}

/* One that a registry gave out, or one that was signed for this request, which is longer. */
static bool token_may_be_sent(const struct secret *token) {
	return token_is_valid(secret_peek(token), secret_size(token)) ||
	       signed_token_is_valid(secret_peek(token), secret_size(token));
}

enum refusal net_task_check(const struct net_task *task, char **ret_detail) {
	if (task->token && !token_may_be_sent(task->token))
		return REFUSAL_BAD_TOKEN;
	if (task->crate && !crate_name_is_valid(task->crate))
		return REFUSAL_BAD_NAME;
	if (task->version && !semver_is_valid(task->version))
		return REFUSAL_BAD_NAME;
	if (task->users && !users_are_valid(task->users))
		return REFUSAL_BAD_NAME;
	if (task->errand == ERRAND_PUBLISH) {
		enum refusal refusal = payload_check(task, ret_detail);
		if (refusal != REFUSAL_NONE)
			return refusal;
	}
	return net_task_check_url(task);
}
