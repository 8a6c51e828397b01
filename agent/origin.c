#include "origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/pin.h"
#include "agent/route.h"
#include "protocol/names.h"

/* A person waits for cargo: no longer than this. */
#define TIMEOUT_USEC (2 * USEC_PER_SEC)

struct origin {
	char *url;
	char *api;
	char *dl;
	struct pin *pin;
	char *detail;
	origin_done_t done;
	void *userdata;
};

static bool is_same(const char *pinned, const char *now) {
	return !pinned || (now && strcmp(pinned, now) == 0);
}

static void origin_changed(struct origin *origin) {
	const char *api = pin_api(origin->pin), *dl = pin_dl(origin->pin);

	/* Without memory for it the refusal stands alone. */
	if (asprintf(&origin->detail, "api %s, dl %s", api ? api : "(none)", dl ? dl : "(none)") < 0)
		origin->detail = NULL;
	origin->done(REFUSAL_ORIGIN_CHANGED, origin->detail, origin->userdata);
}

/* It could not even be asked, as the account could not show who asks: so no act is signed either. */
static bool refusal_is_of_signing(enum refusal refusal) {
	return refusal == REFUSAL_CHALLENGE_REPEATED || refusal == REFUSAL_CLOCK_WRONG ||
	       refusal == REFUSAL_NOT_APPROVED || refusal == REFUSAL_LOCKED;
}

static void origin_asked(enum refusal refusal, const char *detail, void *userdata) {
	struct origin *origin = userdata;

	/*
	 * It answered, and not as it did at login. Whoever can make it do so, or has put a
	 * token for reads there that it does not take, would get by otherwise.
	 */
	if (refusal == REFUSAL_INDEX_INVALID)
		refusal = REFUSAL_ORIGIN_CHANGED;
	if (refusal == REFUSAL_ORIGIN_CHANGED || refusal == REFUSAL_AUTH_REQUIRED ||
		refusal == REFUSAL_TOKEN_REJECTED || refusal == REFUSAL_KEY_UNKNOWN ||
		refusal == REFUSAL_REDIRECT ||
		refusal_is_of_signing(refusal)) {
		origin->done(refusal, detail, origin->userdata);
		return;
	}
	if (refusal != REFUSAL_NONE) {
		log_warning("the index '%s' could not be compared with what was pinned (%s), going on",
			origin->url, refusal_name(refusal));
		origin->done(REFUSAL_NONE, NULL, origin->userdata);
		return;
	}
	if (is_same(origin->api, pin_api(origin->pin)) && is_same(origin->dl, pin_dl(origin->pin)))
		origin->done(REFUSAL_NONE, NULL, origin->userdata);
	else
		origin_changed(origin);
}

int origin_new(struct agent *agent, const struct route *route, origin_done_t done, void *userdata,
	struct origin **ret) {
	_cleanup_(origin_freep) struct origin *origin = NULL;
	const struct pin_ask ask = {
		.ca_pem = route->ca_pem,
		.proxy = route->proxy,
		.allow_http = route->is_plain_http,
		.ask_built_in = true,
		.token = route->token,
		.signer = route->signer,
		.account = route->name,
		.timeout_usec = TIMEOUT_USEC,
	};
	int r;

	if (!route->api || !registry_url_sparse_root(route->url))
		return 1;
	origin = calloc(1, sizeof(*origin));
	if (!origin)
		return -ENOMEM;
	origin->done = done;
	origin->userdata = userdata;
	origin->url = strdup(route->url);
	origin->api = strdup(route->api);
	origin->dl = route->dl ? strdup(route->dl) : NULL;
	if (!origin->url || !origin->api || (route->dl && !origin->dl))
		return -ENOMEM;
	r = pin_new(agent, route->url, &ask, origin_asked, origin, &origin->pin);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(origin);
	return 0;
}

struct origin *origin_free(struct origin *origin) {
	if (!origin)
		return NULL;
	pin_free(origin->pin);
	free(origin->url);
	free(origin->api);
	free(origin->dl);
	free(origin->detail);
	free(origin);
	return NULL;
}
