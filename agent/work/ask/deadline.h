#pragma once

/*
 * How long a question may wait. Every wait also ends when the core goes away or
 * takes the question back, which both close the worker's socket.
 */

#include <stdint.h>

#include "protocol/refusal.h"

/* CLOCK_MONOTONIC, in microseconds. */
#define DEADLINE_NEVER UINT64_MAX

uint64_t deadline_after_msec(uint64_t msec);

/* Microseconds that are left; 0 once it has passed. */
uint64_t deadline_left_usec(uint64_t deadline_usec);

/*
 * Waits until one of `events` (POLLIN, POLLOUT) is true of `fd`. Returns
 * REFUSAL_NONE, also for a hang-up, which the next read or write then tells;
 * REFUSAL_PROMPT_TIMEOUT; REFUSAL_PROMPT_FAILED if the core is gone.
 */
enum refusal deadline_wait(uint64_t deadline_usec, int fd, short events);
