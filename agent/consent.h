#pragma once

/*
 * Asks for what rule/approval demands before an act: nothing, y/N, or the
 * passphrase. Calls back once, never from within consent_new.
 */

#include "agent/rule/approval.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct consent;
struct session;

typedef void (*consent_done_t)(enum refusal refusal, void *userdata);

/*
 * `text` says what the act is (printable lines); `question` ends it, as in
 * "Store this token?". Returns 0 and *ret (caller frees), or a negative errno:
 * -ENOTTY if somebody has to be asked and cannot be, -EPERM if the act is refused outright.
 */
int consent_new(struct session *session, enum act act, int terminal, const char *text,
	const char *question, consent_done_t done, void *userdata, struct consent **ret);
struct consent *consent_free(struct consent *consent);
DEFINE_CLEANUP(struct consent, consent_free)

/* What protects the agent's store. */
enum protection agent_protection(const struct agent *agent);
