#pragma once

/* Tries a token at crates.io without any effect there (GET /api/v1/me). */

#include "agent/work/frame.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct probe;
struct secret;

/*
 * The verdict if `refusal` is REFUSAL_NONE, else why there is none. `detail` is
 * borrowed and may be NULL: the registry's own words, cleaned.
 */
typedef void (*probe_done_t)(
	enum refusal refusal, enum verdict verdict, const char *detail, void *userdata);

/* `api` is canonical; ca_pem and proxy may be NULL. 0 and *ret (caller frees), or a negative errno. */
int probe_new(struct agent *agent, const char *api, const char *ca_pem, const char *proxy,
	const struct secret *token, probe_done_t done, void *userdata, struct probe **ret);
struct probe *probe_free(struct probe *probe);
DEFINE_CLEANUP(struct probe, probe_free)
