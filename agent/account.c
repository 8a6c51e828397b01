#include "account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "protocol/secret.h"

/* Tags in a record; never given another meaning. Unknown ones are ignored. */
enum tag {
	TAG_TYPE = 1,
	TAG_URL,
	TAG_NAME,
	TAG_API,
	TAG_DL,
	TAG_CA_PEM,
	TAG_PROXY,
	TAG_PLAIN_HTTP,
	TAG_ADDED,
	TAG_TOKEN,
};

#define TYPE_BEARER 1

struct account *account_new(const char *url, const char *name) {
	_cleanup_(account_freep) struct account *account = NULL;

	account = calloc(1, sizeof(*account));
	if (!account)
		return NULL;
	account->url = strdup(url);
	account->name = strdup(name);
	if (!account->url || !account->name)
		return NULL;
	return TAKE_PTR(account);
}

struct account *account_free(struct account *account) {
	if (!account)
		return NULL;
	free(account->url);
	free(account->name);
	free(account->api);
	free(account->dl);
	free(account->ca_pem);
	free(account->proxy);
	secret_free(account->token);
	free(account);
	return NULL;
}

int account_write(const struct account *account, struct fields **ret) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r;

	r = fields_new(&fields);
	if (r < 0)
		return r;
	r = fields_put_u64(fields, TAG_TYPE, TYPE_BEARER);
	if (r == 0)
		r = fields_put_string(fields, TAG_URL, account->url);
	if (r == 0)
		r = fields_put_string(fields, TAG_NAME, account->name);
	if (r == 0)
		r = fields_put_string(fields, TAG_API, account->api);
	if (r == 0)
		r = fields_put_string(fields, TAG_DL, account->dl);
	if (r == 0)
		r = fields_put_string(fields, TAG_CA_PEM, account->ca_pem);
	if (r == 0)
		r = fields_put_string(fields, TAG_PROXY, account->proxy);
	if (r == 0)
		r = fields_put_u64(fields, TAG_PLAIN_HTTP, account->is_plain_http);
	if (r == 0)
		r = fields_put_u64(fields, TAG_ADDED, (uint64_t) account->added);
	if (r == 0)
		r = fields_put_secret(fields, TAG_TOKEN, account->token);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(fields);
	return 0;
}

static int read_optional(const struct fields *fields, enum tag tag, char **ret) {
	int r = fields_get_string(fields, (uint8_t) tag, ret);

	return r == -ENOENT ? 0 : r;
}

static int read_required(const struct fields *fields, enum tag tag, char **ret) {
	int r = fields_get_string(fields, (uint8_t) tag, ret);

	return r == -ENOENT ? -EBADMSG : r;
}

static int read_number(const struct fields *fields, enum tag tag, uint64_t *ret) {
	int r = fields_get_u64(fields, (uint8_t) tag, ret);

	return r == -ENOENT ? -EBADMSG : r;
}

int account_read(const struct fields *fields, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	uint64_t type, plain_http, added;
	int r;

	r = read_number(fields, TAG_TYPE, &type);
	if (r < 0)
		return r;
	if (type != TYPE_BEARER)
		return -ENOTSUP;
	account = calloc(1, sizeof(*account));
	if (!account)
		return -ENOMEM;
	r = read_required(fields, TAG_URL, &account->url);
	if (r == 0)
		r = read_required(fields, TAG_NAME, &account->name);
	if (r == 0)
		r = read_required(fields, TAG_API, &account->api);
	if (r == 0)
		r = read_optional(fields, TAG_DL, &account->dl);
	if (r == 0)
		r = read_optional(fields, TAG_CA_PEM, &account->ca_pem);
	if (r == 0)
		r = read_optional(fields, TAG_PROXY, &account->proxy);
	if (r == 0)
		r = read_number(fields, TAG_PLAIN_HTTP, &plain_http);
	if (r == 0)
		r = read_number(fields, TAG_ADDED, &added);
	if (r == 0 && with_token)
		r = fields_get_secret(fields, TAG_TOKEN, &account->token);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	account->is_plain_http = plain_http != 0;
	account->added = (int64_t) added;
	*ret = TAKE_PTR(account);
	return 0;
}
