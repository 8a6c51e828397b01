#pragma once

/* A bar on the terminal behind standard error, for what takes a while; else nothing. */

#include <stdbool.h>
#include <stdint.h>

struct print;

struct progress {
	bool is_shown;
	/* What was drawn last, so that the same is not drawn again. */
	const char *label;
	int percent;
};

void progress_init(struct progress *progress, const struct print *print);
/* `label` stays the caller's, and must live until progress_clear. Nothing for a total of 0. */
void progress_draw(struct progress *progress, const char *label, int64_t done, int64_t total);
/* Takes the bar away, before something else is written. */
void progress_clear(struct progress *progress);
