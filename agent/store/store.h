#pragma once

/*
 * The store: accounts, sealed, over one medium. Records stay ciphertext in
 * memory and are opened one at a time.
 *
 *   UNKNOWN --load--> ABSENT | BROKEN | LOCKED
 *   ABSENT --create--> OPEN
 *   LOCKED --unlock--> OPEN --lock--> LOCKED
 */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "protocol/cleanup.h"
#include "seal.h"

struct account;
struct agent;
struct secret;
struct store;

enum store_state {
	STORE_UNKNOWN,
	STORE_ABSENT, /* none was ever made */
	STORE_BROKEN, /* one was made; store_error says what is wrong */
	STORE_LOCKED,
	STORE_OPEN,
};

typedef void (*store_done_t)(int error, void *userdata);

/*
 * `medium` names the medium to use, whatever was recorded; NULL for the
 * recorded one, else the vault. Nothing is read yet.
 */
int store_new(struct agent *agent, const char *medium, struct store **ret);
struct store *store_free(struct store *store);
DEFINE_CLEANUP(struct store, store_free)

enum store_state store_state(const struct store *store);
/*
 * Why it is BROKEN: -ENOENT (gone), -EBADMSG (damaged), -ENOTSUP (newer),
 * -EACCES (others can read it), -ENOTUNIQ (older than the one last seen), for a
 * keyring -ENOKEY (it is locked), -ENXIO (not to be reached), -ETIMEDOUT (it does
 * not answer), -ECANCELED (it said no), or another negative errno of reading it.
 */
int store_error(const struct store *store);
const char *store_medium_name(const struct store *store);
/* Is there a medium of that name in this build? */
bool store_has_medium(const struct store *store, const char *name);
const char *store_path(const struct store *store);
/* NULL if no passphrase opens it. */
const struct kdf *store_kdf(const struct store *store);

/*
 * Looks at the medium anew; with `may_ask` a keyring may ask the person to unlock
 * it, unless a look is under way already. Calls back from the loop. 0 or -ENOMEM.
 */
int store_load(struct store *store, bool may_ask, store_done_t done, void *userdata);

/*
 * The medium for the next look, while none is recorded; what is known of
 * another is forgotten. 0, -EEXIST, -EBUSY, -ENOTSUP, -ENOMEM.
 */
int store_choose(struct store *store, const char *medium);
/* Keeps that choice, where a look has found a store that is not recorded. 0, -EEXIST, … */
int store_adopt(struct store *store);

/*
 * Makes it, on the medium of that name, and opens it: with the key of a
 * passphrase, or without `kdf` a key that lies beside it (on media that can
 * keep one: else -ENOTSUP). -EEXIST if there is one.
 */
int store_create(struct store *store, const char *medium, const struct kdf *kdf,
	const struct secret *slot_key, store_done_t done, void *userdata);

/* 0, -EKEYREJECTED, -EBADMSG (damaged), -ENOTUNIQ (older than last seen), -ENOMEM. */
int store_unlock(struct store *store, const struct secret *slot_key);
/* Does the key that opens it lie beside it, so that nobody need be asked? */
bool store_opens_itself(const struct store *store);
/*
 * Opens it so. Calls back from the loop: as store_unlock, -ENOENT (the key is
 * gone), -EAGAIN (it was locked again), or of the keyring. 0, -EBUSY, or -ENOTSUP where none lies there.
 */
int store_open_itself(struct store *store, store_done_t done, void *userdata);
/* Is this the key of the passphrase? Changes nothing. 0, -EKEYREJECTED, -ENOMEM. */
int store_check_key(const struct store *store, const struct secret *slot_key);
/* Wipes the data key. A memory store is then lost for good. */
void store_lock(struct store *store);

/* Known also while locked. */
bool store_has_url(const struct store *store, const char *url);
/* Of a store that cannot be read: false only if it is known that the URL is none of its. */
bool store_may_have_url(const struct store *store, const char *url);
size_t store_n_accounts(const struct store *store);
/* Goes up with each change. */
uint64_t store_generation(const struct store *store);

/* These need it open. -ENOENT, -ENOKEY, -EBADMSG, -ENOMEM. Caller frees *ret. */
int store_find(const struct store *store, const char *url, const char *name, bool with_token,
	struct account **ret);
/* The account at `index`, below store_n_accounts; without its token. */
int store_at(const struct store *store, size_t index, struct account **ret);

/*
 * Puts an account in place of one of the same URL and name, or anew; done when
 * it has been read back from the medium. Takes a copy. 0, -EBUSY, -ENOKEY, -ENOMEM;
 * the callback's errors are those of medium_save, -ESTALE also if what is read back differs,
 * -EINPROGRESS (or -ETIMEDOUT) if nobody knows what is there now.
 */
int store_put(struct store *store, const struct account *account, store_done_t done,
	void *userdata);
/*
 * Removes the account, its credential for reads with it; all of that URL for `name`
 * NULL, and all there are for `url` NULL; read back as well. -ENOENT.
 */
int store_erase(struct store *store, const char *url, const char *name, store_done_t done,
	void *userdata);
/*
 * Seals all records anew, under a new data key that `slot_key` opens; no other
 * key does any more. As store_put; also -EBADMSG (a record does not open) and
 * -ENOTSUP (a newer agent's record that would not be found again). The old
 * keys stay in use until the callback tells 0.
 */
int store_rekey(struct store *store, const struct kdf *kdf, const struct secret *slot_key,
	store_done_t done, void *userdata);
/*
 * Takes the store to the medium of that name, which must be empty; the old one
 * is erased last of all (move.h). 0, -ENOKEY, -EBUSY, -EALREADY (it is there),
 * -ENOTSUP (no such medium), -EINVAL (to or from memory, or what no passphrase
 * opens), -ENOMEM. The callback's: 0, -EEXIST (not empty), -ESTALE (changed by
 * another), or of loading, saving or recording; then all is as it was.
 */
int store_move(struct store *store, const char *medium, store_done_t done, void *userdata);
/* The medium on which a move has left what is to be erased at the next unlock; NULL for none. */
const char *store_leftover(const struct store *store);
/* Callbacks for that `userdata` are not wanted any more; the operation itself goes on. */
void store_forget_callback(struct store *store, void *userdata);
