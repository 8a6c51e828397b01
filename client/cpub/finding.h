#pragma once

/*
 * What `doctor` has found: each finding has an id that never changes its
 * meaning, one sentence, and one thing to do about it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "protocol/cleanup.h"

struct json_writer;
struct print;

enum finding_level {
	FINDING_OK,
	FINDING_WARN,
	FINDING_BAD,
};

struct finding {
	const char *id; /* static */
	enum finding_level level;
	char *text;
	char *fix; /* NULL where nothing has to be done */
};

struct findings {
	struct finding *items;
	size_t n;
	/* Memory ran out, so some are missing. */
	bool is_broken;
};

/* Appends one. A failure for want of memory sticks in is_broken. */
__attribute__((format(printf, 4, 5))) void findings_add(struct findings *findings, const char *id,
	enum finding_level level, const char *format, ...);
/* What to do about the one added last; never more than once for each. */
__attribute__((format(printf, 2, 3))) void findings_fix(
	struct findings *findings, const char *format, ...);
void findings_done(struct findings *findings);

size_t findings_count(const struct findings *findings, enum finding_level level);

/* A line each on standard output, and one for what to do. Quiet: not those that are well. */
void findings_show(const struct findings *findings, const struct print *print);
/* As the member "findings" of the object that is open. */
void findings_write(const struct findings *findings, struct json_writer *writer);
