#pragma once

/*
 * One request of the agent's own at a registry's pinned API, made by worker-net.
 * The audit log has a line before the token leaves, and another one for what came
 * of it, whatever happens to the client meanwhile.
 */

#include <stddef.h>
#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct account;
struct agent;
struct deed;
struct json_writer;
struct peer;
struct session;

/* What is to be done. Texts are borrowed during deed_new only, but for `op`, which is static. */
struct deed_ask {
	enum errand errand;
	const char *op; /* as the audit log calls it */
	/* Its token goes along if it is there, or it signs if its key is; its API must be. */
	const struct account *account;
	const char *crate;
	const char *version;
	const char *checksum; /* for the audit log */
	const char *users;    /* a line each */
	const int *fds;
	size_t n_fds;
	int terminal; /* where to warn that the clock is off; -1 without */
	/*
	 * It is held from the moment at which the request may leave, and nothing leaves any more once its
	 * client has. NULL: it is not held.
	 */
	struct session *session;
	void (*left)(void *userdata); /* at that moment, also from within deed_new; or NULL */
};

/* What came of it; owned by the deed. */
struct deed_result {
	enum outcome outcome;
	enum refusal code; /* REFUSAL_NONE where it is done */
	enum hint hint;
	uint64_t status;      /* of HTTP; 0 without an answer */
	int64_t retry_after;  /* Unix time; 0: not told */
	int64_t date;	      /* Unix time by the registry's clock; 0: not told */
	char *detail;	      /* the registry's words, cleaned; NULL without */
	char *message;	      /* its words on a success; NULL without */
	char *warnings;	      /* a line each; NULL without */
	struct fields *finds; /* the answer, for what errands list */
};

/* May free the deed as its last act. */
typedef void (*deed_done_t)(const struct deed_result *result, void *userdata);
typedef void (*deed_progress_t)(uint64_t done, uint64_t total, void *userdata);

/*
 * `progress` may be NULL. Returns 0 and *ret (caller frees; freed before it is
 * done, the outcome is recorded as unknown); -EACCES if the audit log could not be written, and
 * nothing was sent; or another negative errno.
 */
int deed_new(struct agent *agent, const struct peer *peer, const struct deed_ask *ask,
	deed_progress_t progress, deed_done_t done, void *userdata, struct deed **ret);
struct deed *deed_free(struct deed *deed);
DEFINE_CLEANUP(struct deed, deed_free)

/* The members outcome, code, message, detail, hint, retry-after and said of an object that is open. */
void deed_write(struct json_writer *writer, const struct deed_result *result);
/* Only these, for an act that never came to be a deed. */
void deed_write_refused(struct json_writer *writer, enum refusal refusal);
/* A member that is an array of texts, one for each line. `lines` may be NULL. */
void deed_write_lines(struct json_writer *writer, const char *name, const char *lines);
