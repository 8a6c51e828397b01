/*
 * worker-watch: listens to logind and says one word of two, "the session was
 * locked" or "the machine goes to sleep". Unlike the other workers it stays: it
 * answers only when it cannot go on, with the reason. It holds no secret.
 *
 * Between its words it says from time to time that it listens, so that one that
 * hangs is told from one that has heard nothing.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/work/sandbox.h"
#include "agent/work/watch/logind.h"
#include "agent/work/worker.h"

#define USEC_PER_SEC ((uint64_t) 1000000)
#define BEAT_USEC (WATCH_BEAT_SEC * USEC_PER_SEC)
/* How long the core may take to forget. Sleep waits 5 s for us all (logind.conf's default). */
#define HEED_MSEC 1000

static uint64_t now_usec(void) {
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail for this clock. */
	return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

static int say(enum watch_word word) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	int r;

	r = fields_new(&fields);
	if (r < 0)
		return r;
	r = fields_put_u64(fields, FIELD_WORD, (uint64_t) word);
	if (r < 0)
		return r;
	return frame_send(WORKER_SOCKET, FRAME_PROGRESS, fields, NULL, 0);
}

/* The core has something for us: that it has done what we said. 0, or a negative errno. */
static int take_done(void) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	enum frame_type type;
	int fds[FRAME_FDS_MAX];
	size_t n_fds = 0;
	int r;

	r = frame_receive(WORKER_SOCKET, &type, &fields, fds, &n_fds);
	if (r <= 0)
		return r < 0 ? r : -ECONNRESET;
	for (size_t i = 0; i < n_fds; i++)
		(void) fd_close(fds[i]);
	return type == FRAME_DONE && n_fds == 0 ? 0 : -EBADMSG;
}

/* Says it and waits until it was heeded, or as long as one may keep a machine awake. */
static void watch_heard(enum watch_word word, void *userdata) {
	struct pollfd core = {.fd = WORKER_SOCKET, .events = POLLIN};
	int *error = userdata;
	int r;

	r = say(word);
	if (r == 0 && poll(&core, 1, HEED_MSEC) > 0)
		r = take_done();
	if (r < 0)
		*error = r;
}

/* Until the bus or the core has something, or `until_usec`. */
static int watch_wait(struct logind *logind, uint64_t until_usec) {
	struct pollfd waits[2] = {{.fd = WORKER_SOCKET, .events = POLLIN}};
	uint64_t now = now_usec(), bus_until_usec;
	int r;

	r = logind_poll(logind, &waits[1], &bus_until_usec);
	if (r < 0)
		return r;
	if (bus_until_usec < until_usec)
		until_usec = bus_until_usec;
	/* Rounded up, or the last millisecond would be spent spinning. */
	r = poll(waits, 2, until_usec > now ? (int) ((until_usec - now + 999) / 1000) : 0);
	if (r < 0 && errno != EINTR)
		return -errno;
	return r > 0 && waits[0].revents ? take_done() : 0;
}

/* Ends only with the reason why it cannot go on. `error` is what a callback met. */
static int watch_go_on(struct logind *logind, const int *error) {
	uint64_t beat_usec = 0;
	int r;

	for (;;) {
		r = logind_process(logind);
		if (r < 0)
			return r;
		if (*error < 0)
			return *error;
		if (now_usec() >= beat_usec) {
			r = say(WORD_LISTENING);
			if (r < 0)
				return r;
			beat_usec = now_usec() + BEAT_USEC;
		}
		if (r > 0)
			continue;
		r = watch_wait(logind, beat_usec);
		if (r < 0)
			return r;
	}
}

static enum refusal watch_end(const char *what, int error, char **ret_detail) {
	if (asprintf(ret_detail, "%s: %s", what, strerror(-error)) < 0)
		*ret_detail = NULL;
	return REFUSAL_WORKER_FAILED;
}

static enum refusal watch_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(logind_freep) struct logind *logind = NULL;
	int error = 0, r;

	(void) task;
	(void) fds;
	(void) n_fds;
	(void) answer;
	r = logind_open(watch_heard, &error, &logind);
	if (r < 0)
		return watch_end("no system bus", r, ret_detail);
	/* The connection stands; whatever is read from it is read in here. */
	r = sandbox_enter(SANDBOX_WATCH);
	if (r < 0)
		return watch_end("no sandbox", r, ret_detail);
	r = logind_listen(logind);
	if (r < 0)
		return watch_end("logind cannot be heard", r, ret_detail);
	return watch_end("logind is heard no more", watch_go_on(logind, &error), ret_detail);
}

int main(void) {
	return worker_run(watch_work);
}
