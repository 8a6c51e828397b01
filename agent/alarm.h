#pragma once

/*
 * What a person has to look at although nobody asked: shown on the terminal of
 * the approval that it is about, logged, and kept for `status`.
 */

#include <stddef.h>
#include <stdint.h>

#include "protocol/refusal.h"

struct agent;
struct json_writer;

/* The last ones; the audit log has them all. */
#define ALARMS_MAX 8

struct alarm {
	int64_t when; /* Unix time */
	enum refusal refusal;
	char *text;
};

struct alarms {
	struct alarm list[ALARMS_MAX]; /* oldest first */
	size_t n;
};

/* `terminal` is borrowed, -1 for none. Without memory the log alone has it. */
void alarm_raise(struct agent *agent, int terminal, enum refusal refusal, const char *url,
	const char *crate, const char *version);
void alarms_write(const struct alarms *alarms, struct json_writer *writer);
void alarms_done(struct alarms *alarms);
