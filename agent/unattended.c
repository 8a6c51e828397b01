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

/* How often to begin again because another is at the store. */
#define TRIES 8

struct unattended {
	struct agent *agent;
	bool is_waiting; /* for the store */
	bool may_ask;
	bool did_open;
	int n_tries;
	struct derive *derive; /* of a credential */
	uint8_t salt[SEAL_SALT_SIZE];
	unattended_done_t done;
	void *userdata;
};

static bool has_salt(const struct agent *agent, const uint8_t *salt) {
	const struct kdf *kdf = store_kdf(agent->store);

	return kdf && memcmp(kdf->salt, salt, SEAL_SALT_SIZE) == 0;
}

bool unattended_is_enough(const struct agent *agent) {
	return store_opens_itself(agent->store) || has_salt(agent, agent->credential_salt);
}

/* One that did not fit is not tried again: that takes a second each time. */
static bool has_credential(const struct agent *agent) {
	return store_kdf(agent->store) && credential_is_given() &&
	       !has_salt(agent, agent->wrong_credential_salt);
}

bool unattended_is_possible(const struct agent *agent) {
	return store_state(agent->store) == STORE_LOCKED &&
	       (store_opens_itself(agent->store) || has_credential(agent));
}

bool unattended_did_open(const struct unattended *unattended) {
	return unattended->did_open;
}

static void unattended_finish(struct unattended *unattended, enum refusal refusal) {
	unattended->done(refusal, unattended->userdata);
}

static void unattended_opened(int error, void *userdata) {
	struct unattended *unattended = userdata;

	unattended->is_waiting = false;
	unattended->did_open = error == 0;
	/* The key is gone, or another's: nothing opens this store any more. */
	if (error == -ENOENT || error == -EKEYREJECTED)
		error = -EBADMSG;
	unattended_finish(unattended, store_refusal(error));
}

static void unattended_derived(
	enum refusal refusal, const struct secret *key, void *userdata) {
	struct unattended *unattended = userdata;
	struct agent *agent = unattended->agent;
	int r;

	if (refusal == REFUSAL_NONE && store_state(agent->store) == STORE_OPEN) {
		unattended_finish(unattended, REFUSAL_NONE); /* By a person, meanwhile. */
		return;
	}
	if (refusal != REFUSAL_NONE || store_state(agent->store) != STORE_LOCKED ||
		!has_salt(agent, unattended->salt)) {
		unattended_finish(
			unattended, refusal != REFUSAL_NONE ? refusal : REFUSAL_LOCKED);
		return;
	}
	r = store_unlock(agent->store, key);
	if (r == -EKEYREJECTED) {
		log_warning("the credential does not open the store");
		memcpy(agent->wrong_credential_salt, unattended->salt, SEAL_SALT_SIZE);
		unattended_finish(unattended, REFUSAL_LOCKED);
		return;
	}
	if (r == 0)
		memcpy(agent->credential_salt, unattended->salt, SEAL_SALT_SIZE);
	unattended->did_open = r == 0;
	unattended_finish(unattended, store_refusal(r));
}

static int unattended_derive(struct unattended *unattended) {
	_cleanup_(secret_freep) struct secret *passphrase = NULL;
	struct agent *agent = unattended->agent;
	const struct kdf *kdf = store_kdf(agent->store);
	int r = credential_read(&passphrase);

	if (r < 0) {
		log_warning("the credential cannot be used: %s", strerror(-r));
		return -ENOENT;
	}
	memcpy(unattended->salt, kdf->salt, SEAL_SALT_SIZE);
	return derive_new(
		agent, kdf, passphrase, unattended_derived, unattended, &unattended->derive);
}

static int unattended_look(struct unattended *unattended);

/* The store is as it is there now; it may be open, or be something else altogether. */
static void unattended_looked(int error, void *userdata) {
	struct unattended *unattended = userdata;
	struct agent *agent = unattended->agent;
	enum refusal refusal = store_trouble(agent);
	int r;

	(void) error;
	unattended->is_waiting = false;
	if (refusal != REFUSAL_NONE || store_state(agent->store) == STORE_OPEN) {
		unattended_finish(unattended, refusal);
		return;
	}
	if (store_opens_itself(agent->store)) {
		r = store_open_itself(agent->store, unattended_opened, unattended);
		unattended->is_waiting = r == 0;
		if (r == -EBUSY && unattended->n_tries++ < TRIES)
			r = unattended_look(unattended);
	} else {
		r = has_credential(agent) ? unattended_derive(unattended) : -ENOENT;
	}
	if (r == -ENOENT)
		unattended_finish(unattended, REFUSAL_LOCKED);
	else if (r < 0)
		unattended_finish(unattended, refusal_from_errno(r));
}

static int unattended_look(struct unattended *unattended) {
	int r = store_load(
		unattended->agent->store, unattended->may_ask, unattended_looked, unattended);

	if (r == 0)
		unattended->is_waiting = true;
	return r;
}

int unattended_new(struct agent *agent, bool may_ask, unattended_done_t done, void *userdata,
	struct unattended **ret) {
	_cleanup_(unattended_freep) struct unattended *unattended =
		calloc(1, sizeof(*unattended));
	int r;

	if (!unattended)
		return -ENOMEM;
	unattended->agent = agent;
	unattended->may_ask = may_ask;
	unattended->done = done;
	unattended->userdata = userdata;
	r = unattended_look(unattended);
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
