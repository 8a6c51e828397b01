#pragma once

/*
 * The tokens that cargo's own provider (cargo:libsecret) keeps in the desktop's
 * keyring: one errand of worker-keyring to them. The keyring may ask the person
 * to unlock it where the request's person is there.
 */

#include "agent/work/frame.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct cargo_keyring;
struct fields;
struct secret;
struct session;

/* `answer` is borrowed and NULL unless `refusal` is REFUSAL_NONE; `detail` may be NULL. */
typedef void (*cargo_keyring_done_t)(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata);

/*
 * `url` is cargo's, as it wrote it; `token` the one that is to be removed; each
 * may be NULL and is copied. 0 and *ret (caller frees), -ENXIO without a bus, or
 * another negative errno; then there is no callback. The callback may free it as its last act.
 */
int cargo_keyring_new(struct session *session, enum keyring_errand errand, const char *url,
	const struct secret *token, cargo_keyring_done_t done, void *userdata,
	struct cargo_keyring **ret);
struct cargo_keyring *cargo_keyring_free(struct cargo_keyring *keyring);
DEFINE_CLEANUP(struct cargo_keyring, cargo_keyring_free)
