#include "progress.h"

#include <stdbool.h>
#include <time.h>

#include "agent/work/worker.h"

#define STEP_MSEC 100u
#define BEAT_MSEC 2000u

/* What was told last; this process sends one request. */
static struct {
	bool is_told;
	uint64_t done;
	uint64_t msec;
} last;

static bool progress_is_due(uint64_t done, uint64_t total, uint64_t now) {
	if (!last.is_told || now - last.msec >= BEAT_MSEC)
		return true;
	if (done == last.done)
		return false;
	return done == total || now - last.msec >= STEP_MSEC;
}

static int progress_send(uint64_t done, uint64_t total) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	int r = fields_new(&fields);
	if (r == 0)
		r = fields_put_u64(fields, FIELD_DONE, done);
	if (r == 0)
		r = fields_put_u64(fields, FIELD_TOTAL, total);
	return r < 0 ? r : worker_tell(fields);
}

int progress_tell(uint64_t done, uint64_t total) {
	struct timespec clock;

	(void) clock_gettime(CLOCK_MONOTONIC, &clock); /* A valid clock. */
	uint64_t now = (uint64_t) clock.tv_sec * 1000 + (uint64_t) clock.tv_nsec / 1000000;
	if (!progress_is_due(done, total, now))
		return 0;
	last.is_told = true;
	last.done = done;
	last.msec = now;
	return progress_send(done, total);
}
