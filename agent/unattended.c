#include "unattended.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/credential.h"
#include "agent/derive.h"
#include "agent/log.h"
#include "agent/passphrase.h"
#include "agent/store/store.h"
#include "protocol/secret.h"

/* How often to wait for another that is at the store. */
#define TRIES 8

struct unattended {
	struct agent *agent;
	bool is_waiting; /* for the store */
	int n_tries;
	struct derive *derive; /* of a credential */
	unattended_done_t done;
	void *userdata;
};

/* One that did not fit is not tried again: that takes a second each time. */
static bool has_credential(const struct agent *agent) {
	const struct kdf *kdf = store_kdf(agent->store);

	return kdf && credential_is_given() &&
	       memcmp(kdf->salt, agent->wrong_credential_salt, SEAL_SALT_SIZE) != 0;
}

bool unattended_is_possible(const struct agent *agent) {
	return store_state(agent->store) == STORE_LOCKED &&
	       (store_opens_itself(agent->store) || has_credential(agent));
}

static void unattended_finish(struct unattended *unattended, enum refusal refusal) {
	unattended->done(refusal, unattended->userdata);
}

static int unattended_start(struct unattended *unattended);

static void unattended_opened(int error, void *userdata) {
	struct unattended *unattended = userdata;

	unattended->is_waiting = false;
	/* The key is gone, the rest is not: nothing opens this store any more. */
	unattended_finish(unattended, store_refusal(error == -ENOENT ? -EBADMSG : error));
}

/* Another was at the store. It may be open now, or be something else altogether. */
static void unattended_looked(int error, void *userdata) {
	struct unattended *unattended = userdata;
	enum refusal refusal = store_trouble(unattended->agent);
	int r = 0;

	(void) error;
	unattended->is_waiting = false;
	if (refusal == REFUSAL_NONE && store_state(unattended->agent->store) != STORE_OPEN) {
		r = unattended_start(unattended);
		if (r == 0)
			return;
	}
	unattended_finish(unattended, r < 0 ? refusal_from_errno(r) : refusal);
}

static void unattended_derived(
	enum refusal refusal, const struct secret *key, void *userdata) {
	struct unattended *unattended = userdata;
	struct agent *agent = unattended->agent;
	const struct kdf *kdf = store_kdf(agent->store);
	int r;

	if (refusal == REFUSAL_NONE && store_state(agent->store) == STORE_OPEN) {
		unattended_finish(unattended, REFUSAL_NONE); /* By a person, meanwhile. */
		return;
	}
	if (refusal != REFUSAL_NONE || store_state(agent->store) != STORE_LOCKED || !kdf) {
		unattended_finish(
			unattended, refusal != REFUSAL_NONE ? refusal : REFUSAL_LOCKED);
		return;
	}
	r = store_unlock(agent->store, key);
	if (r == -EKEYREJECTED) {
		log_warning("the credential does not open the store");
		memcpy(agent->wrong_credential_salt, kdf->salt, SEAL_SALT_SIZE);
		unattended_finish(unattended, REFUSAL_LOCKED);
		return;
	}
	agent->is_unattended = r == 0;
	unattended_finish(unattended, store_refusal(r));
}

static int unattended_derive(struct unattended *unattended) {
	_cleanup_(secret_freep) struct secret *passphrase = NULL;
	struct agent *agent = unattended->agent;
	int r = credential_read(&passphrase);

	if (r < 0) {
		log_warning("the credential cannot be used: %s", strerror(-r));
		return -ENOENT;
	}
	return derive_new(agent, store_kdf(agent->store), passphrase, unattended_derived,
		unattended, &unattended->derive);
}

static int unattended_start(struct unattended *unattended) {
	struct store *store = unattended->agent->store;
	int r;

	if (!store_opens_itself(store))
		return unattended_derive(unattended);
	r = store_open_itself(store, unattended_opened, unattended);
	if (r == -EBUSY && unattended->n_tries++ < TRIES)
		r = store_load(store, false, unattended_looked, unattended);
	if (r == 0)
		unattended->is_waiting = true;
	return r;
}

int unattended_new(struct agent *agent, unattended_done_t done, void *userdata,
	struct unattended **ret) {
	_cleanup_(unattended_freep) struct unattended *unattended =
		calloc(1, sizeof(*unattended));
	int r;

	if (!unattended)
		return -ENOMEM;
	unattended->agent = agent;
	unattended->done = done;
	unattended->userdata = userdata;
	r = unattended_start(unattended);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(unattended);
	return 0;
}

struct unattended *unattended_free(struct unattended *unattended) {
	if (!unattended)
		return NULL;
	if (unattended->is_waiting)
		store_forget_callback(unattended->agent->store, unattended);
	derive_free(unattended->derive);
	free(unattended);
	return NULL;
}
