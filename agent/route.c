#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/account.h"
#include "agent/store/store.h"
#include "agent/text.h"
#include "protocol/secret.h"

/* What that account shows the index. */
static int route_take_from(const struct store *store, const char *url, const char *name,
	struct route *route) {
	_cleanup_(account_freep) struct account *account = NULL;
	int r = store_find(store, url, name, false, &account);

	if (r == 0 && account_signs(account)) {
		route->signer = TAKE_PTR(account);
		return 0;
	}
	if (r < 0)
		return r;
	account = account_free(account);
	r = store_find(store, url, name, true, &account);
	if (r == 0)
		route->token = TAKE_PTR(account->token);
	return r;
}

/* The token for reads, if the account has one: 0 also without. */
static int route_take_token(
	const struct store *store, const struct account *account, struct route *route) {
	_cleanup_(freep) char *name = account_read_name(account->name);
	int r;

	if (!name)
		return -ENOMEM;
	r = route_take_from(store, account->url, name, route);
	if (r == -ENOENT && account->is_marked)
		r = route_take_from(store, account->url, account->name, route);
	return r == -ENOENT ? 0 : r;
}

int route_new(const struct store *store, const char *url, const char *name, struct route **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	_cleanup_(route_freep) struct route *route = NULL;
	int r;

	r = store_find(store, url, name, false, &account);
	if (r < 0)
		return r;
	route = calloc(1, sizeof(*route));
	if (!route)
		return -ENOMEM;
	r = route_take_token(store, account, route);
	if (r < 0)
		return r;
	route->url = TAKE_PTR(account->url);
	route->name = TAKE_PTR(account->name);
	route->api = TAKE_PTR(account->api);
	route->dl = TAKE_PTR(account->dl);
	route->ca_pem = TAKE_PTR(account->ca_pem);
	route->proxy = TAKE_PTR(account->proxy);
	route->is_plain_http = account->is_plain_http;
	route->is_closed = account->is_closed;
	*ret = TAKE_PTR(route);
	return 0;
}

int route_new_approved(
	const struct store *store, const char *url, const char *name, struct route **ret) {
	_cleanup_(route_freep) struct route *route = NULL;
	int r = route_new(store, url, name, &route);

	if (r == 0 && route->is_closed && !route->token && !route->signer)
		r = route_take_from(store, url, name, route);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(route);
	return 0;
}

void route_drop_token(struct route *route) {
	route->token = secret_free(route->token);
	route->signer = account_free(route->signer);
}

int route_copy(const struct route *route, struct route **ret) {
	_cleanup_(route_freep) struct route *copy = calloc(1, sizeof(*copy));
	int r = copy ? text_set(&copy->url, route->url) : -ENOMEM;

	if (r == 0)
		r = text_set(&copy->name, route->name);
	if (r == 0)
		r = text_set(&copy->api, route->api);
	if (r == 0)
		r = text_set(&copy->dl, route->dl);
	if (r == 0)
		r = text_set(&copy->ca_pem, route->ca_pem);
	if (r == 0)
		r = text_set(&copy->proxy, route->proxy);
	if (r == 0 && route->token)
		r = secret_from(secret_peek(route->token), secret_size(route->token), &copy->token);
	if (r == 0 && route->signer) {
		copy->signer = account_copy(route->signer);
		r = copy->signer ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	copy->is_plain_http = route->is_plain_http;
	copy->is_closed = route->is_closed;
	*ret = TAKE_PTR(copy);
	return 0;
}

int route_new_plain(const char *url, struct route **ret) {
	struct route *route = calloc(1, sizeof(*route));

	if (!route)
		return -ENOMEM;
	route->url = strdup(url);
	if (!route->url) {
		free(route);
		return -ENOMEM;
	}
	*ret = route;
	return 0;
}

struct route *route_free(struct route *route) {
	if (!route)
		return NULL;
	free(route->url);
	free(route->name);
	free(route->api);
	free(route->dl);
	free(route->ca_pem);
	free(route->proxy);
	route_drop_token(route);
	free(route);
	return NULL;
}
