#pragma once

/* An act at a registry's API: its request, and what came of it. */

#include "protocol/refusal.h"

struct fields;
struct net_task;

/*
 * Runs one of the errands that go to the API. REFUSAL_NONE and in `answer` what came
 * of it; or why it was surely not done, and perhaps a text in *ret_detail; or
 * REFUSAL_OUTCOME_UNKNOWN, if there is no memory to say more.
 */
enum refusal act_run(const struct net_task *task, struct fields *answer, char **ret_detail);
