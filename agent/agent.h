#pragma once

/*
 * The agent: owns the event loop and everything that hangs below it, so that
 * agent_free is the whole clean-up. One thread, one loop; nothing here blocks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/alarm.h"
#include "agent/challenge_book.h"
#include "agent/clock.h"
#include "agent/expiring.h"
#include "agent/store/seal.h"
#include "protocol/cleanup.h"

struct audit;
struct child;
struct endpoint;
struct grant;
struct listener;
struct mandate;
struct derive;
struct prompt;
struct secret;
struct session;
struct signing;
struct store;
struct watch;
struct witness;

#define USEC_PER_MSEC ((uint64_t) 1000)
#define USEC_PER_SEC ((uint64_t) 1000000)

struct agent_options {
	/* Lock this long after the last request; exit this long after all is closed and locked. */
	uint64_t lock_after_usec;
	uint64_t exit_after_usec;
	/* `--store memory`: no file, gone at exit. */
	bool in_memory;
	/* A --socket option, or NULL. */
	const char *socket;
	/* Tell the starter here that we serve; -1 without one. */
	int ready_fd;
};

struct agent {
	sd_event *event;
	struct agent_options options;

	struct store *store;
	struct audit *audit;
	struct listener *listener;

	struct session *sessions; /* newest first */
	size_t n_sessions;
	/* Bytes of requests that are not whole yet, over all sessions. */
	size_t n_waiting_bytes;
	/* The one buffer into which bytes are received first. */
	struct secret *intake;

	struct child *children;        /* workers that are not reaped yet */
	struct prompt *prompts;        /* asking, or waiting for their terminal */
	struct derive *derivations;    /* deriving a key, or waiting for their turn */
	struct grant *grants;
	struct mandate *mandates;      /* approvals, asked for or given */
	struct witness *witnesses;     /* looking whether the index lists what was approved */
	size_t n_witnesses;
	size_t n_parcels;              /* crates that wait to be published, over all sessions */
	uint64_t n_sealed_bytes;       /* of their files, those included that are being sealed */
	uint64_t n_unwritten_bytes;    /* and of these, what is set aside and not taken yet */
	size_t n_inits;                /* looking for a place for a store */
	struct alarms alarms;
	struct expiring expiring;
	struct signing *signings;      /* tokens that are being signed */
	struct clocks clocks;
	/* Of reads, which anybody may have signed, and so fill; and of acts. */
	struct challenge_book read_challenges, act_challenges;
	struct watch *watch;           /* locks with the session */

	/* Where the workers are. */
	char *program_directory;
	/* Salts of the stores that a credential of systemd opens and does not open; zeros without. */
	uint8_t credential_salt[SEAL_SALT_SIZE];
	uint8_t wrong_credential_salt[SEAL_SALT_SIZE];
	/* Program that asks where there is no terminal, from our own start environment; or NULL. */
	char *askpass;

	sd_event_source *idle, *leaving;
	uint64_t leave_by_usec;
	uint64_t last_request_usec;
	uint64_t last_touch_usec;
};

/* Sets all up and begins to listen. 0, -EALREADY (another agent serves), or a negative errno. */
int agent_new(const struct agent_options *options, struct agent **ret);
struct agent *agent_free(struct agent *agent);
DEFINE_CLEANUP(struct agent, agent_free)

/* Serves until a signal, the idle exit or a failure of the loop. */
int agent_run(struct agent *agent);

/* Something happened: the idle clocks start again. `is_request` also puts off the idle lock. */
void agent_touch(struct agent *agent, bool is_request);

/* Ends agent_run for a reason that is logged, once no request runs or a second has passed. */
void agent_leave(struct agent *agent, const char *why);

/* Forgets the key, every grant and every question that is under way. */
void agent_lock(struct agent *agent, const char *why);

/* Could a program that is not ours show a person something? */
bool agent_has_display(void);

uint64_t agent_now_usec(const struct agent *agent);
