#include "account.h"

#include <errno.h>
#include <stdio.h>
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
	TAG_MARKED,
	TAG_EXPIRES,
	TAG_SCOPE,
	TAG_CRATES,
	TAG_CLOSED,
	TAG_UNCONFIRMED,
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

bool account_is_same(const struct account *a, const struct account *b) {
	return strcmp(a->url, b->url) == 0 && strcmp(a->name, b->name) == 0 &&
	       memcmp(a->stamp, b->stamp, ACCOUNT_STAMP_SIZE) == 0;
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
	free(account->scope);
	free(account->crates);
	secret_free(account->token);
	free(account);
	return NULL;
}

char *account_read_name(const char *name) {
	char *read_name;

	return asprintf(&read_name, "%s" ACCOUNT_FOR_READ, name) < 0 ? NULL : read_name;
}

int account_given_size(const struct account *account) {
	size_t size = strlen(account->name), ending = strlen(ACCOUNT_FOR_READ);

	if (size > ending && strcmp(account->name + size - ending, ACCOUNT_FOR_READ) == 0)
		size -= ending;
	return (int) size;
}

bool account_is_for_read(const struct account *account) {
	return account->name[account_given_size(account)] != '\0';
}

bool account_is_readable(const struct account *account) {
	return account->is_marked || account_is_for_read(account);
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
	if (r == 0 && account->is_marked)
		r = fields_put_u64(fields, TAG_MARKED, 1);
	if (r == 0 && account->is_closed)
		r = fields_put_u64(fields, TAG_CLOSED, 1);
	if (r == 0 && account->is_unconfirmed)
		r = fields_put_u64(fields, TAG_UNCONFIRMED, 1);
	if (r == 0 && account->expires > 0)
		r = fields_put_u64(fields, TAG_EXPIRES, (uint64_t) account->expires);
	if (r == 0)
		r = fields_put_string(fields, TAG_SCOPE, account->scope);
	if (r == 0)
		r = fields_put_string(fields, TAG_CRATES, account->crates);
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

/* Zero if it is not there. */
static int read_optional_number(const struct fields *fields, enum tag tag, uint64_t *ret) {
	int r;

	*ret = 0;
	r = fields_get_u64(fields, (uint8_t) tag, ret);
	return r == -ENOENT ? 0 : r;
}

int account_read(const struct fields *fields, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	uint64_t type, plain_http, added, closed, unconfirmed, marked, expires;
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
		r = read_optional(fields, TAG_API, &account->api);
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
	if (r == 0)
		r = read_optional_number(fields, TAG_CLOSED, &closed);
	if (r == 0)
		r = read_optional_number(fields, TAG_UNCONFIRMED, &unconfirmed);
	if (r == 0)
		r = read_optional_number(fields, TAG_MARKED, &marked);
	if (r == 0)
		r = read_optional_number(fields, TAG_EXPIRES, &expires);
	if (r == 0)
		r = read_optional(fields, TAG_SCOPE, &account->scope);
	if (r == 0)
		r = read_optional(fields, TAG_CRATES, &account->crates);
	if (r == 0 && with_token)
		r = fields_get_secret(fields, TAG_TOKEN, &account->token);
	if (r < 0)
		return r == -ENOENT ? -EBADMSG : r;
	account->is_plain_http = plain_http != 0;
	account->added = (int64_t) added;
	account->is_closed = closed != 0;
	account->is_unconfirmed = unconfirmed != 0;
	account->is_marked = marked != 0;
	account->expires = (int64_t) expires;
	*ret = TAKE_PTR(account);
	return 0;
}
