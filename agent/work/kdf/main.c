/*
 * worker-kdf: derives a key from a passphrase by Argon2id. A process of its own,
 * because that takes a second and up to a gibibyte which the core must not have.
 */

#include <errno.h>
#include <sodium.h>

#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "protocol/secret.h"

#define KEY_SIZE 32u

/*
 * The parameters come out of a store's header, which whoever can write the file
 * can change before its checksum is known to be right. These bounds keep such a
 * header from eating the machine.
 */
#define OPSLIMIT_MAX 10u
#define MEMLIMIT_MAX ((size_t) 1024 * 1024 * 1024)

struct kdf_parameters {
	const uint8_t *salt;
	uint64_t opslimit;
	uint64_t memlimit;
};

static enum refusal kdf_parameters_read(const struct fields *task, struct kdf_parameters *ret) {
	struct kdf_parameters p;
	size_t salt_size;

	if (fields_get(task, FIELD_SALT, &p.salt, &salt_size) < 0 ||
		fields_get_u64(task, FIELD_OPSLIMIT, &p.opslimit) < 0 ||
		fields_get_u64(task, FIELD_MEMLIMIT, &p.memlimit) < 0)
		return REFUSAL_INTERNAL;
	if (salt_size != crypto_pwhash_argon2id_SALTBYTES)
		return REFUSAL_STORE_DAMAGED;
	if (p.opslimit < crypto_pwhash_argon2id_OPSLIMIT_MIN || p.opslimit > OPSLIMIT_MAX)
		return REFUSAL_STORE_DAMAGED;
	if (p.memlimit < crypto_pwhash_argon2id_MEMLIMIT_MIN || p.memlimit > MEMLIMIT_MAX)
		return REFUSAL_STORE_DAMAGED;
	*ret = p;
	return REFUSAL_NONE;
}

static enum refusal kdf_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(secret_freep) struct secret *passphrase = NULL;
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct kdf_parameters parameters;

	(void) fds;
	(void) n_fds;
	(void) ret_detail;
	int r = sandbox_enter(SANDBOX_KDF);
	if (r < 0)
		return refusal_from_errno(r);

	enum refusal refusal = kdf_parameters_read(task, &parameters);
	if (refusal != REFUSAL_NONE)
		return refusal;
	r = fields_get_secret(task, FIELD_PASSPHRASE, &passphrase);
	if (r < 0)
		return r == -EBADMSG ? REFUSAL_BAD_PASSPHRASE : refusal_from_errno(r);
	r = secret_new(KEY_SIZE, &key);
	if (r < 0)
		return refusal_from_errno(r);

	/* With the bounds checked above, memory is all that can be missing. */
	if (crypto_pwhash(secret_bytes(key), KEY_SIZE, (const char *) secret_peek(passphrase),
		    secret_size(passphrase), parameters.salt, parameters.opslimit,
		    (size_t) parameters.memlimit, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return REFUSAL_NO_MEMORY;
	r = fields_put_secret(answer, FIELD_KEY, key);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

int main(void) {
	return worker_run(kdf_work);
}
