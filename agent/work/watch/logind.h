#pragma once

/*
 * logind, as it is heard on the system bus: the one file of worker-watch that
 * speaks D-Bus. It also holds the inhibitor by which the machine waits a moment
 * before it sleeps.
 */

#include <poll.h>
#include <stdint.h>

#include "agent/work/frame.h"
#include "protocol/cleanup.h"

struct logind;

/* What it heard. For WORD_SLEEP the machine waits until this returns, if it waits at all. */
typedef void (*logind_heard_t)(enum watch_word word, void *userdata);

/* Connects to the bus; the only thing that needs a new descriptor of the kernel's. */
int logind_open(logind_heard_t heard, void *userdata, struct logind **ret);

/*
 * From here on nothing is missed: says who we are, asks for the signals, finds
 * out who logind is. Waits for the bus, some seconds at most for each step.
 */
int logind_listen(struct logind *logind);

/* Takes one thing that came. 1, 0 if nothing more is there, -ESRCH if logind left, or -errno. */
int logind_process(struct logind *logind);

/* What to wait for, and until when at the latest (CLOCK_MONOTONIC; UINT64_MAX: no matter). */
int logind_poll(struct logind *logind, struct pollfd *ret, uint64_t *ret_until_usec);

struct logind *logind_free(struct logind *logind);
DEFINE_CLEANUP(struct logind, logind_free)
