#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "keypair.h"
#include "protocol/secret.h"
#include "text.h"

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
	TAG_KEY,
	TAG_PUBLIC,
	TAG_PID,
	TAG_NEXT_KEY,
	TAG_NEXT_PUBLIC,
	TAG_NEXT_PID,
	TAG_INDEX,
	TAG_SUBJECT,
	TAG_FOOTER_KEY,
};

/* One that does not know the second refuses such a record: it must not take it for the first. */
#define TYPE_BEARER 1
#define TYPE_ASYMMETRIC 2

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

static int copy_key(struct keypair **to, const struct keypair *from) {
	*to = from ? keypair_copy(from, false) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_texts(const struct account *account, struct account *copy) {
	int r = text_set(&copy->api, account->api);

	if (r == 0)
		r = text_set(&copy->dl, account->dl);
	if (r == 0)
		r = text_set(&copy->ca_pem, account->ca_pem);
	if (r == 0)
		r = text_set(&copy->proxy, account->proxy);
	if (r == 0)
		r = text_set(&copy->scope, account->scope);
	if (r == 0)
		r = text_set(&copy->crates, account->crates);
	if (r == 0)
		r = text_set(&copy->index, account->index);
	if (r == 0)
		r = text_set(&copy->subject, account->subject);
	if (r == 0)
		r = copy_key(&copy->key, account->key);
	return r < 0 ? r : copy_key(&copy->next_key, account->next_key);
}

struct account *account_copy(const struct account *account) {
	_cleanup_(account_freep) struct account *copy = account_new(account->url, account->name);

	if (!copy || copy_texts(account, copy) < 0)
		return NULL;
	copy->is_plain_http = account->is_plain_http;
	copy->is_closed = account->is_closed;
	copy->is_unconfirmed = account->is_unconfirmed;
	copy->is_marked = account->is_marked;
	copy->added = account->added;
	copy->expires = account->expires;
	copy->footer_key = account->footer_key;
	memcpy(copy->stamp, account->stamp, ACCOUNT_STAMP_SIZE);
	return TAKE_PTR(copy);
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
	keypair_free(account->key);
	keypair_free(account->next_key);
	free(account->index);
	free(account->subject);
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

bool account_signs(const struct account *account) {
	return account->key;
}

bool account_is_readable(const struct account *account) {
	return account->is_marked || account_is_for_read(account);
}

static int write_key(const struct account *account, struct fields *fields) {
	const struct keypair *next = account->next_key;
	int r = fields_put_secret(fields, TAG_KEY, account->key->secret);

	if (r == 0)
		r = fields_put_string(fields, TAG_PUBLIC, account->key->public);
	if (r == 0)
		r = fields_put_string(fields, TAG_PID, account->key->pid);
	if (r == 0 && next)
		r = fields_put_secret(fields, TAG_NEXT_KEY, next->secret);
	if (r == 0 && next)
		r = fields_put_string(fields, TAG_NEXT_PUBLIC, next->public);
	if (r == 0 && next)
		r = fields_put_string(fields, TAG_NEXT_PID, next->pid);
	if (r == 0)
		r = fields_put_string(fields, TAG_INDEX, account->index);
	if (r == 0)
		r = fields_put_string(fields, TAG_SUBJECT, account->subject);
	return r < 0 ? r : fields_put_u64(fields, TAG_FOOTER_KEY, account->footer_key);
}

static int write_credential(const struct account *account, struct fields *fields) {
	return account_signs(account) ? write_key(account, fields)
				      : fields_put_secret(fields, TAG_TOKEN, account->token);
}

int account_write(const struct account *account, struct fields **ret) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r;

	r = fields_new(&fields);
	if (r < 0)
		return r;
	r = fields_put_u64(
		fields, TAG_TYPE, account_signs(account) ? TYPE_ASYMMETRIC : TYPE_BEARER);
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
		r = write_credential(account, fields);
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

/* -ENOENT if it is not there. */
static int read_keypair(const struct fields *fields, enum tag secret, enum tag public, enum tag pid,
	bool with_secret, struct keypair **ret) {
	_cleanup_(keypair_freep) struct keypair *pair = calloc(1, sizeof(*pair));
	int r = pair ? fields_get_string(fields, (uint8_t) public, &pair->public) : -ENOMEM;

	if (r < 0)
		return r;
	r = read_required(fields, pid, &pair->pid);
	if (r == 0 && with_secret) {
		r = fields_get_secret(fields, (uint8_t) secret, &pair->secret);
		r = r == -ENOENT ? -EBADMSG : r;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(pair);
	return 0;
}

static int read_key(const struct fields *fields, bool with_secret, struct account *account) {
	uint64_t footer_key;
	int r = read_keypair(fields, TAG_KEY, TAG_PUBLIC, TAG_PID, with_secret, &account->key);

	if (r == 0)
		r = read_keypair(fields, TAG_NEXT_KEY, TAG_NEXT_PUBLIC, TAG_NEXT_PID, with_secret,
			&account->next_key);
	else if (r == -ENOENT)
		return -EBADMSG;
	if (r == 0 || r == -ENOENT)
		r = read_required(fields, TAG_INDEX, &account->index);
	if (r == 0)
		r = read_optional(fields, TAG_SUBJECT, &account->subject);
	if (r == 0)
		r = read_number(fields, TAG_FOOTER_KEY, &footer_key);
	if (r == 0 && footer_key >= _FOOTER_KEY_MAX)
		r = -EBADMSG;
	if (r == 0)
		account->footer_key = (enum footer_key) footer_key;
	return r;
}

static int read_credential(
	const struct fields *fields, uint64_t type, bool with_token, struct account *account) {
	if (type == TYPE_ASYMMETRIC)
		return read_key(fields, with_token, account);
	return with_token ? fields_get_secret(fields, TAG_TOKEN, &account->token) : 0;
}

int account_read(const struct fields *fields, bool with_token, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	uint64_t type, plain_http, added, closed, unconfirmed, marked, expires;
	int r;

	r = read_number(fields, TAG_TYPE, &type);
	if (r < 0)
		return r;
	if (type != TYPE_BEARER && type != TYPE_ASYMMETRIC)
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
	if (r == 0)
		r = read_credential(fields, type, with_token, account);
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
