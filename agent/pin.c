#include "pin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/net_job.h"
#include "agent/net_task.h"
#include "protocol/names.h"

#define CRATES_IO_DL "https://static.crates.io/crates"
#define CONFIG "/config.json"
#define TIMEOUT_USEC (30 * USEC_PER_SEC)
#define MARGIN_USEC (2 * USEC_PER_SEC)

struct pin {
	char *url;
	bool allow_http;
	bool no_check;
	char *given_api;
	char *api;
	char *dl;
	bool is_elsewhere;
	bool is_auth_required;
	int64_t date;
	struct net_job *job;
	sd_event_source *built_in;
	pin_done_t done;
	void *userdata;
};

const char *pin_api(const struct pin *pin) {
	return pin->api;
}

const char *pin_dl(const struct pin *pin) {
	return pin->dl;
}

bool pin_is_elsewhere(const struct pin *pin) {
	return pin->is_elsewhere;
}

int64_t pin_date(const struct pin *pin) {
	return pin->date;
}

bool pin_is_auth_required(const struct pin *pin) {
	return pin->is_auth_required;
}

/* Plain http only where it stays on this machine and the person said so. */
static bool may_be_used(const struct pin *pin, const char *url) {
	return !registry_url_is_plain_http(url) ||
		(pin->allow_http && registry_url_is_loopback(url));
}

static bool have_same_host(const char *a, const char *b) {
	_cleanup_(freep) char *host_a = NULL;
	_cleanup_(freep) char *host_b = NULL;

	return url_host(a, &host_a) == 0 && url_host(b, &host_b) == 0 &&
		strcmp(host_a, host_b) == 0;
}

/* Takes what the index told. What came over the network is checked here again. */
static enum refusal pin_take(struct pin *pin, const struct fields *answer) {
	_cleanup_(freep) char *api = NULL;
	_cleanup_(freep) char *dl = NULL;
	uint64_t is_auth_required = 0, date = 0;
	int r;

	(void) fields_get_u64(answer, FIELD_AUTH_REQUIRED, &is_auth_required); /* Mostly absent. */
	pin->is_auth_required = is_auth_required != 0;
	if (fields_get_u64(answer, FIELD_DATE, &date) == 0 && date < INT64_MAX)
		pin->date = (int64_t) date;
	if (fields_get_string(answer, FIELD_API, &api) < 0)
		return REFUSAL_INDEX_INVALID;
	r = web_url_canonical(api, &pin->api);
	if (r < 0 || !may_be_used(pin, pin->api))
		return REFUSAL_INDEX_INVALID;
	if (fields_get_string(answer, FIELD_DL, &dl) == 0 && web_url_canonical(dl, &pin->dl) < 0)
		return REFUSAL_INDEX_INVALID;
	if (pin->given_api)
		return strcmp(pin->api, pin->given_api) == 0 ? REFUSAL_NONE
							       : REFUSAL_API_ELSEWHERE;
	pin->is_elsewhere = !have_same_host(pin->api, pin->url);
	return REFUSAL_NONE;
}

static void pin_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct pin *pin = userdata;

	if (refusal == REFUSAL_WORKER_TIMEOUT)
		refusal = REFUSAL_NETWORK_TIMEOUT;
	if (refusal == REFUSAL_NONE)
		refusal = pin_take(pin, answer);
	else if (refusal == REFUSAL_AUTH_REQUIRED && pin->given_api && may_be_used(pin, pin->given_api))
		pin->api = TAKE_PTR(pin->given_api); /* All that is known of it by now. */
	if (refusal == REFUSAL_API_ELSEWHERE)
		detail = pin->api;
	pin->done(refusal, detail, pin->userdata);
}

static int pin_ask_index(struct pin *pin, struct agent *agent, const struct pin_ask *ask) {
	uint64_t timeout_usec = ask->timeout_usec > 0 ? ask->timeout_usec : TIMEOUT_USEC;
	_cleanup_(freep) char *config = NULL;
	struct net_ask net = NET_ASK_NULL;
	int r;

	if (asprintf(&config, "%s" CONFIG, registry_url_sparse_root(pin->url)) < 0) {
		config = NULL;
		return -ENOMEM;
	}
	r = net_task_new(
		ERRAND_CONFIG, config, ask->ca_pem, ask->proxy, timeout_usec, &net.task);
	if (r < 0)
		return r;
	net.url = pin->url;
	net.account = ask->account;
	net.token = ask->token;
	net.signer = ask->signer;
	net.key = ask->key;
	net.deadline_usec = timeout_usec + MARGIN_USEC;
	return net_job_new(agent, &net, pin_answered, pin, &pin->job);
}

static int pin_on_built_in(sd_event_source *source, void *userdata) {
	struct pin *pin = userdata;
	enum refusal refusal = REFUSAL_NONE;

	(void) source;
	if (!may_be_used(pin, pin->url) || (pin->api && !may_be_used(pin, pin->api)))
		refusal = REFUSAL_PLAIN_HTTP;
	else if (!pin->api && !pin->no_check)
		refusal = REFUSAL_NEEDS_API;
	else if (pin->given_api && strcmp(pin->api, pin->given_api) != 0)
		refusal = REFUSAL_API_ELSEWHERE; /* crates.io has one API, and we know it. */
	pin->done(refusal, refusal == REFUSAL_API_ELSEWHERE ? pin->api : NULL, pin->userdata);
	return 0;
}

/* What needs no question to the index: crates.io, a git index, a URL that may not be used. */
static int pin_know(struct pin *pin, struct agent *agent) {
	const char *api = pin->given_api;

	if (registry_url_is_crates_io(pin->url)) {
		api = CRATES_IO_API;
		pin->dl = strdup(CRATES_IO_DL);
		if (!pin->dl)
			return -ENOMEM;
	}
	if (api) {
		pin->api = strdup(api);
		if (!pin->api)
			return -ENOMEM;
	}
	return sd_event_add_defer(agent->event, &pin->built_in, pin_on_built_in, pin);
}

int pin_new(struct agent *agent, const char *url, const struct pin_ask *ask, pin_done_t done,
	void *userdata, struct pin **ret) {
	_cleanup_(pin_freep) struct pin *pin = NULL;
	bool is_known;
	int r;

	pin = calloc(1, sizeof(*pin));
	if (!pin)
		return -ENOMEM;
	pin->url = strdup(url);
	if (!pin->url)
		return -ENOMEM;
	pin->allow_http = ask->allow_http;
	pin->no_check = ask->no_check;
	pin->done = done;
	pin->userdata = userdata;
	if (ask->api) {
		r = web_url_canonical(ask->api, &pin->given_api);
		if (r < 0)
			return r;
	}
	if (registry_url_is_crates_io(url))
		is_known = !ask->ask_built_in;
	else
		is_known = !registry_url_is_sparse(url) || !may_be_used(pin, url) || ask->no_check;
	r = is_known ? pin_know(pin, agent) : pin_ask_index(pin, agent, ask);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(pin);
	return 0;
}

struct pin *pin_free(struct pin *pin) {
	if (!pin)
		return NULL;
	net_job_free(pin->job);
	sd_event_source_disable_unref(pin->built_in);
	free(pin->url);
	free(pin->given_api);
	free(pin->api);
	free(pin->dl);
	free(pin);
	return NULL;
}
