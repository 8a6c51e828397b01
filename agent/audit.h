#pragma once

/*
 * The audit log: one JSON line a decision, appended to audit.jsonl in the
 * state folder (0600). Never a payload, never a secret. A release of a token
 * is written before the token leaves; if that fails, it does not leave. Under
 * systemd the journal gets a copy, with fields.
 */

#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct audit;
struct peer;

/* What was decided. Texts may be NULL. */
struct audit_entry {
	const char *op; /* "publish", "login", … */
	const char *url;
	const char *account;
	const char *crate;
	const char *version;
	const char *checksum;
	enum refusal refusal; /* REFUSAL_NONE: it was done */
	const char *decision; /* another word than done or refused: "begun", "unknown"; or NULL */
	const char *users;    /* whom it is about, a line each */
	const char *key;      /* the id of the key that signs, was made or changed */
	const struct peer *peer;
	const char *claimed; /* in place of `peer`: as it was described before */
};

/* Opens nothing yet. 0 or -ENOMEM. */
int audit_new(struct audit **ret);
struct audit *audit_free(struct audit *audit);
DEFINE_CLEANUP(struct audit, audit_free)

/* 0 or a negative errno: nothing was written. */
int audit_write(struct audit *audit, const struct audit_entry *entry);
