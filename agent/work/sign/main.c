/*
 * worker-sign: makes, reads and uses the private key of a registry that knows only the public
 * one. Each task has one key, or makes it; the process ends with its answer, and what
 * libcrypto may have left of a key ends with it.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/fields.h"
#include "agent/work/sandbox.h"
#include "agent/work/sign/claims.h"
#include "agent/work/sign/p384.h"
#include "agent/work/sign/paserk.h"
#include "agent/work/sign/paseto.h"
#include "agent/work/worker.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define PEM_BEGIN "-----BEGIN "

static enum refusal refusal_of(int error) {
	return error == -EBADMSG ? REFUSAL_BAD_KEY : refusal_from_errno(error);
}

static bool text_is_pem(const struct secret *text) {
	return memmem(secret_peek(text), secret_size(text), PEM_BEGIN, strlen(PEM_BEGIN));
}

/* A file that a person gives ends its line. */
static void cut_line_end(struct secret *text) {
	const uint8_t *bytes = secret_peek(text);
	size_t size = secret_size(text);

	if (size < 3 || bytes[size - 1] != '\n')
		return;
	secret_shrink(text, size - (bytes[size - 2] == '\r' ? 2 : 1));
}

static enum refusal text_read(const struct fields *task, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *text = NULL;

	int r = fields_get_secret(task, FIELD_PASERK, &text);
	if (r < 0)
		return r == -ENOENT ? REFUSAL_INTERNAL : refusal_of(r);
	if (secret_size(text) > KEY_TEXT_MAX)
		return REFUSAL_BAD_KEY;
	*ret = TAKE_PTR(text);
	return REFUSAL_NONE;
}

/* A key alone; as PEM, or with a line end, only where a person gives one. */
static enum refusal key_read(const struct fields *task, bool is_given, struct p384_key **ret) {
	_cleanup_(secret_freep) struct secret *text = NULL;
	int r;

	enum refusal refusal = text_read(task, &text);
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (is_given && text_is_pem(text)) {
		r = p384_key_from_pem(text, ret);
	} else {
		if (is_given)
			cut_line_end(text);
		r = paserk_read_secret(text, ret);
	}
	return r < 0 ? refusal_of(r) : REFUSAL_NONE;
}

/*
 * A key with what this program once said of it: both lie in one sealed record. Of a pair that was
 * mixed up nothing comes but tokens that no registry takes: the nonce does not hang on the point.
 */
static enum refusal pair_read(const struct fields *task, struct p384_key **ret) {
	_cleanup_(secret_freep) struct secret *text = NULL;
	_cleanup_(freep) char *public = NULL;

	enum refusal refusal = text_read(task, &text);
	if (refusal != REFUSAL_NONE)
		return refusal;
	int r = fields_get_string(task, FIELD_PUBLIC, &public);
	if (r == 0)
		r = paserk_read_pair(text, public, ret);
	return r < 0 ? refusal_of(r) : REFUSAL_NONE;
}

static int put_public(const struct p384_key *key, struct fields *answer) {
	char public[PASERK_PUBLIC_SIZE], id[PASERK_ID_SIZE];

	paserk_write_public(p384_key_point(key), public);
	int r = paserk_write_id(public, id);
	if (r == 0)
		r = fields_put_string(answer, FIELD_PUBLIC, public);
	return r < 0 ? r : fields_put_string(answer, FIELD_PID, id);
}

static int put_whole(const struct p384_key *key, struct fields *answer) {
	_cleanup_(secret_freep) struct secret *text = NULL;

	int r = paserk_write_secret(key, &text);
	if (r == 0)
		r = fields_put_secret(answer, FIELD_PASERK, text);
	return r < 0 ? r : put_public(key, answer);
}

static int put_token(
	const struct p384_key *key, const struct claims *claims, struct fields *answer) {
	_cleanup_(freep) char *message = NULL;
	_cleanup_(freep) char *footer = NULL;
	_cleanup_(secret_freep) struct secret *token = NULL;
	char public[PASERK_PUBLIC_SIZE], id[PASERK_ID_SIZE];

	paserk_write_public(p384_key_point(key), public);
	int r = paserk_write_id(public, id);
	if (r == 0)
		r = claims_message(claims, &message);
	if (r == 0)
		r = claims_footer(claims, id, &footer);
	if (r == 0)
		r = paseto_sign(key, message, footer, "", &token);
	return r < 0 ? r : fields_put_secret(answer, FIELD_TOKEN, token);
}

static enum refusal make_key(struct fields *answer) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;

	int r = p384_key_new(&key);
	if (r == 0)
		r = put_whole(key, answer);
	return r < 0 ? refusal_of(r) : REFUSAL_NONE;
}

static enum refusal read_key(
	const struct fields *task, bool wants_public_only, struct fields *answer) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;

	enum refusal refusal = key_read(task, !wants_public_only, &key);
	if (refusal != REFUSAL_NONE)
		return refusal;
	int r = wants_public_only ? put_public(key, answer) : put_whole(key, answer);
	return r < 0 ? refusal_of(r) : REFUSAL_NONE;
}

static enum refusal sign(const struct fields *task, struct fields *answer, char **ret_detail) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	_cleanup_(claims_done) struct claims claims = {0};

	/* First what is to be signed: the key is touched for nothing else. */
	enum refusal refusal = claims_read(task, &claims, ret_detail);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = pair_read(task, &key);
	if (refusal != REFUSAL_NONE)
		return refusal;
	int r = put_token(key, &claims, answer);
	return r < 0 ? refusal_of(r) : REFUSAL_NONE;
}

static enum refusal sign_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	uint64_t errand;

	(void) fds;
	(void) n_fds;
	int r = sandbox_enter(SANDBOX_SIGN);
	if (r < 0)
		return refusal_from_errno(r);
	if (fields_get_u64(task, FIELD_SIGN_ERRAND, &errand) < 0 || errand >= _SIGN_ERRAND_MAX)
		return REFUSAL_INTERNAL;
	r = p384_begin();
	if (r < 0)
		return refusal_from_errno(r);

	switch ((enum sign_errand) errand) {
	case SIGN_MAKE_KEY:
		return make_key(answer);
	case SIGN_READ_KEY:
		return read_key(task, false, answer);
	case SIGN_PUBLIC_KEY:
		return read_key(task, true, answer);
	case SIGN_REQUEST:
		return sign(task, answer, ret_detail);
	case _SIGN_ERRAND_MAX:
		break;
	}
	return REFUSAL_INTERNAL;
}

int main(void) {
	return worker_run(sign_work);
}
