/*
 * The worker that stays (worker-watch), and what ends it:
 *
 *   OFF --store open--> STARTED --ready--> WORKING --"listening"--> LISTENING
 *    |                     |                  |                         |
 *    |                     +------------------+-------------------------+
 *    |                       gone, silent, or talks nonsense
 *    |                                        v
 *    |                     ^------pause---- PAUSED
 *    +--store open, but no bus can be here--> VAIN
 *
 *   any --store locked--> OFF
 *
 * It is no job: a job answers once and has a deadline. This one speaks as long
 * as it lives; only silence has a deadline. It is worth no more than a log line
 * when it fails, and each time it is longer until the next is tried.
 */

#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/child.h"
#include "agent/log.h"
#include "agent/store/store.h"
#include "agent/work/frame.h"

/* Where the system bus listens if the environment does not say (D-Bus Specification). */
#define BUS_SOCKET "/run/dbus/system_bus_socket"

/* It says something twice in that time, from its start on, or it hangs. */
#define SILENCE_USEC (2 * WATCH_BEAT_SEC * USEC_PER_SEC)
/* Before the next try: twice as long each time, until one has listened for a while. */
#define PAUSE_FIRST_USEC (1 * USEC_PER_SEC)
#define PAUSE_MAX_USEC (300 * USEC_PER_SEC)

enum watch_state {
	WATCH_OFF,
	WATCH_VAIN,
	WATCH_PAUSED,
	WATCH_STARTED,
	WATCH_WORKING,
	WATCH_LISTENING,
};

struct watch {
	struct agent *agent;
	enum watch_state state;
	struct child *child;
	int socket;
	sd_event_source *io;
	sd_event_source *timer; /* PAUSED: until the next try; else until its silence is too long */
	uint64_t pause_usec;
	bool is_told; /* that it does not work; once, until it does */
};

static int watch_on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void watch_set_timer(struct watch *watch, uint64_t usec) {
	int r;

	if (watch->timer) {
		r = sd_event_source_set_time_relative(watch->timer, usec);
		if (r >= 0)
			r = sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
	} else {
		r = sd_event_add_time_relative(watch->agent->event, &watch->timer, CLOCK_MONOTONIC,
			usec, 0, watch_on_timer, watch);
	}
	if (r < 0) /* What runs goes on; what does not is tried at the next unlock. */
		log_warning("no timer for locking with the session: %s", strerror(-r));
}

static void watch_end_worker(struct watch *watch) {
	if (watch->child)
		child_end(watch->child);
	watch->child = NULL;
	watch->io = sd_event_source_disable_unref(watch->io);
	watch->socket = fd_close(watch->socket);
	if (watch->timer)
		(void) sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
}

/* That one is done with; another is tried after a pause. */
static void watch_fail(struct watch *watch, const char *what, const char *detail) {
	log_line(watch->is_told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
		"worker '%s' %s%s%s; not locking with the session until it works",
		child_program(WORKER_WATCH), what, detail ? ": " : "", detail ? detail : "");
	watch->is_told = true;
	watch_end_worker(watch);
	watch->state = WATCH_PAUSED;
	watch_set_timer(watch, watch->pause_usec);
	watch->pause_usec *= 2;
	if (watch->pause_usec > PAUSE_MAX_USEC)
		watch->pause_usec = PAUSE_MAX_USEC;
}

static int watch_spawn(struct watch *watch) {
	_cleanup_(fd_closep) int theirs = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	watch->socket = pair[0];
	theirs = pair[1];
	if (fcntl(watch->socket, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return child_new(watch->agent, WORKER_WATCH, theirs, &watch->child);
}

static int watch_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static void watch_start(struct watch *watch) {
	int r;

	r = watch_spawn(watch);
	if (r == 0)
		r = sd_event_add_io(watch->agent->event, &watch->io, watch->socket, EPOLLIN,
			watch_on_io, watch);
	if (r < 0) {
		watch_fail(watch, "could not be started", strerror(-r));
		return;
	}
	watch->state = WATCH_STARTED;
	watch_set_timer(watch, SILENCE_USEC);
}

static int watch_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
	struct watch *watch = userdata;

	(void) source;
	(void) usec;
	if (watch->state == WATCH_PAUSED)
		watch_start(watch);
	else
		watch_fail(watch, "is silent, ending it", NULL);
	return 0;
}

static void watch_listens(struct watch *watch) {
	/* Not at the first word: one that then fails at once has not listened. */
	if (watch->state == WATCH_LISTENING)
		watch->pause_usec = PAUSE_FIRST_USEC;
	else if (watch->is_told)
		log_notice("locking with the session works again");
	watch->state = WATCH_LISTENING;
	watch->is_told = false;
	watch_set_timer(watch, SILENCE_USEC);
}

/* It waits for the `done`, and holds the machine meanwhile. */
static const char *watch_lock(struct watch *watch, const char *why) {
	agent_lock(watch->agent, why);
	return frame_send(watch->socket, FRAME_DONE, NULL, NULL, 0) < 0
		       ? "did not take what it was told"
		       : NULL;
}

static const char *watch_take_word(struct watch *watch, const struct fields *fields) {
	uint64_t word;

	if (watch->state != WATCH_WORKING && watch->state != WATCH_LISTENING)
		return "spoke out of turn";
	if (fields_get_u64(fields, FIELD_WORD, &word) < 0)
		return "said nothing";
	switch (word) {
	case WORD_LISTENING:
		watch_listens(watch);
		return NULL;
	case WORD_SESSION:
		return watch_lock(watch, "the session was locked");
	case WORD_SLEEP:
		return watch_lock(watch, "the machine goes to sleep");
	}
	return "said an unknown word";
}

/* Takes one frame. Returns what is wrong with it, or NULL. */
static const char *watch_take(
	struct watch *watch, enum frame_type type, const struct fields *fields) {
	switch (type) {
	case FRAME_READY:
		if (watch->state != WATCH_STARTED)
			return "said twice that it is ready";
		if (frame_send(watch->socket, FRAME_TASK, NULL, NULL, 0) < 0)
			return "did not take its task";
		watch->state = WATCH_WORKING;
		return NULL;
	case FRAME_PROGRESS:
		return watch_take_word(watch, fields);
	case FRAME_ANSWER:
		return watch->state == WATCH_STARTED ? "answered out of turn" : "gave up";
	case FRAME_TASK:
	case FRAME_DONE:
		break;
	}
	return "sent an unknown frame";
}

static int watch_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(freep) char *detail = NULL;
	struct watch *watch = userdata;
	enum frame_type type;
	int fds[FRAME_FDS_MAX];
	size_t n_fds = 0;
	const char *wrong;
	int r;

	(void) source;
	(void) revents;
	r = frame_receive(fd, &type, &fields, fds, &n_fds);
	if (r == -EAGAIN)
		return 0;
	if (r <= 0) {
		watch_fail(watch,
			r == 0 || r == -ECONNRESET ? "has ended" : "sent a malformed frame", NULL);
		return 0;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void) fd_close(fds[i]);
	wrong = n_fds > 0 ? "sent a descriptor" : watch_take(watch, type, fields);
	if (!wrong)
		return 0;
	if (type == FRAME_ANSWER)
		(void) fields_get_string(fields, FIELD_DETAIL, &detail); /* May say nothing. */
	watch_fail(watch, wrong, detail);
	return 0;
}

/* A container has no bus: no reason to start anything, or to worry anybody. */
static bool bus_is_possible(void) {
	return getenv("DBUS_SYSTEM_BUS_ADDRESS") || access(BUS_SOCKET, F_OK) == 0;
}

int watch_new(struct agent *agent, struct watch **ret) {
	struct watch *watch;

	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->agent = agent;
	watch->socket = -1;
	*ret = watch;
	return 0;
}

void watch_follow(struct watch *watch) {
	bool is_open = store_state(watch->agent->store) == STORE_OPEN;

	if (is_open == (watch->state != WATCH_OFF))
		return;
	if (!is_open) {
		watch_end_worker(watch);
		watch->state = WATCH_OFF;
		return;
	}
	if (!bus_is_possible()) {
		log_debug("no system bus, not locking with the session");
		watch->state = WATCH_VAIN;
		return;
	}
	watch->pause_usec = PAUSE_FIRST_USEC;
	watch->is_told = false;
	watch_start(watch);
}

bool watch_is_listening(const struct watch *watch) {
	return watch->state == WATCH_LISTENING;
}

struct watch *watch_free(struct watch *watch) {
	if (!watch)
		return NULL;
	watch_end_worker(watch);
	sd_event_source_disable_unref(watch->timer);
	free(watch);
	return NULL;
}
