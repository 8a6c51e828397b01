#include "task.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "protocol/names.h"
#include "protocol/secret.h"

#define TIMEOUT_MSEC 30000u

void net_task_done(struct net_task *task) {
	secret_free(task->token);
	free(task->url);
	free(task->ca_pem);
	free(task->proxy);
	free(task->crate);
	free(task->version);
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
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = absent_is_fine(fields_get_string(fields, texts[i].field, texts[i].text));
		if (r < 0)
			return r;
	}
	return fields_get_string(fields, FIELD_URL, &task->url);
}

int net_task_read(const struct fields *fields, struct net_task *task) {
	uint64_t errand = ERRAND_CONFIG;

	int r = absent_is_fine(fields_get_u64(fields, FIELD_ERRAND, &errand));
	if (r < 0)
		return r;
	if (errand >= _ERRAND_MAX)
		return -EBADMSG;
	task->errand = (enum errand) errand;
	task->timeout_msec = TIMEOUT_MSEC;
	r = absent_is_fine(fields_get_u64(fields, FIELD_TIMEOUT_MSEC, &task->timeout_msec));
	if (r < 0)
		return r;
	r = net_task_read_texts(fields, task);
	if (r < 0)
		return r;
	r = absent_is_fine(fields_get_secret(fields, FIELD_TOKEN, &task->token));
	if (r < 0)
		return r;
	/* Each errand has what it cannot be run without. */
	if (errand == ERRAND_PROBE && !task->token)
		return -EBADMSG;
	return errand == ERRAND_CRATE && !task->crate ? -EBADMSG : 0;
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

enum refusal net_task_check(const struct net_task *task) {
	if (task->token && !token_is_valid(secret_peek(task->token), secret_size(task->token)))
		return REFUSAL_BAD_TOKEN;
	if (task->crate && !crate_name_is_valid(task->crate))
		return REFUSAL_BAD_NAME;
	if (task->version && !semver_is_valid(task->version))
		return REFUSAL_BAD_NAME;
	return net_task_check_url(task);
}
