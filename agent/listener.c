#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/consignment.h"
#include "agent/inherited.h"
#include "agent/log.h"
#include "agent/peer.h"
#include "agent/session.h"
#include "agent/socket_file.h"
#include "protocol/endpoint.h"
#include "protocol/json.h"
#include "protocol/reply.h"

#define LOCK_FILE "agent.lock"
#define BACKLOG 512
/* How long we wait for an agent that is just leaving. */
#define LOCK_WAIT_USEC (2 * USEC_PER_SEC)
#define LOCK_POLL_USEC (10 * USEC_PER_MSEC)
/* Out of descriptors: accepting again at once would only spin. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)
/* At most this many in one turn of the loop, so that the others get theirs. */
#define ACCEPT_MAX 32
/* Kept free for workers, terminals, the store. A session takes two (socket, pidfd). */
#define FDS_RESERVED 128
#define SESSIONS_MAX 8192
/* The kernel's overflow uid: whoever reads so could be anybody. */
#define OVERFLOW_UID 65534

struct listener {
	struct agent *agent;
	struct endpoint endpoint;
	int lock;
	int socket;
	/* systemd's: it stays open and keeps its file when we leave. */
	bool is_inherited;
	struct socket_file file;
	sd_event_source *io;
	sd_event_source *pause;
	size_t n_max;
};

static uint64_t monotonic_usec(void) {
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail for this clock. */
	return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

/* Is somebody served at that socket? Not to be asked of our own, whose queue takes us in. */
static bool is_served(const struct endpoint *endpoint) {
	_cleanup_(fd_closep) int fd = -1;

	return endpoint_connect(endpoint, &fd) == 0;
}

/* Takes the lock, waiting a little for one who is just leaving. Before the loop runs: may block. */
static int take_lock(struct listener *listener) {
	const struct timespec poll = {.tv_nsec = (long) LOCK_POLL_USEC * 1000};
	uint64_t until = monotonic_usec() + LOCK_WAIT_USEC;

	listener->lock = openat(listener->endpoint.directory_fd, LOCK_FILE,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (listener->lock < 0)
		return -errno;
	while (flock(listener->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (!listener->is_inherited && is_served(&listener->endpoint))
			return -EALREADY;
		if (monotonic_usec() >= until)
			return -EBUSY;
		(void) nanosleep(&poll, NULL);
	}
	return 0;
}

/* Accepting fails for want of a descriptor before it looks whether anybody is there. */
static bool somebody_waits(int fd) {
	struct pollfd listening = {.fd = fd, .events = POLLIN};

	return poll(&listening, 1, 0) > 0;
}

/* The longest silent connection goes when all places are taken. */
static bool make_place(struct agent *agent) {
	struct session *oldest = NULL;

	for (struct session *s = agent->sessions; s; s = s->next) {
		/* One that waits for its build has a person's approval, and is not the first to go. */
		if (s->state == SESSION_READING &&
			(!s->consignment || !consignment_account(s->consignment)))
			oldest = s;
	}
	if (!oldest)
		return false;
	session_free(oldest);
	return true;
}

static int listener_on_pause_over(sd_event_source *source, uint64_t usec, void *userdata) {
	struct listener *listener = userdata;

	(void) source;
	(void) usec;
	(void) sd_event_source_set_enabled(listener->io, SD_EVENT_ON);
	return 0;
}

static void listener_pause(struct listener *listener) {
	int r;

	(void) sd_event_source_set_enabled(listener->io, SD_EVENT_OFF);
	if (listener->pause) {
		r = sd_event_source_set_time_relative(listener->pause, PAUSE_USEC);
		if (r >= 0)
			r = sd_event_source_set_enabled(listener->pause, SD_EVENT_ONESHOT);
	} else {
		r = sd_event_add_time_relative(listener->agent->event, &listener->pause,
			CLOCK_MONOTONIC, PAUSE_USEC, 0, listener_on_pause_over, listener);
	}
	if (r < 0) /* Better to spin than to be deaf. */
		(void) sd_event_source_set_enabled(listener->io, SD_EVENT_ON);
}

/* In place of the greeting: everybody who is here has a request under way. */
static void turn_away(int fd) {
	_cleanup_(json_writer_done) struct json_writer writer;

	log_warning("turned a connection away: all places are taken");
	json_writer_init(&writer, false);
	reply_refusal(&writer, REFUSAL_BUSY, NULL, NULL);
	if (json_writer_finish(&writer) == 0) /* Into a new socket, which has room. */
		(void) !send(fd, json_writer_bytes(&writer), writer.size,
			MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Takes the connection over. Only our own user gets as much as a byte. */
static void listener_welcome(struct listener *listener, int fd) {
	struct agent *agent = listener->agent;
	struct peer peer = PEER_NULL;
	int r;

	r = peer_read(fd, &peer);
	if (r < 0 || peer.uid != geteuid() || peer.uid == OVERFLOW_UID) {
		log_warning("closed a connection of uid %d", r < 0 ? -1 : (int) peer.uid);
		peer_done(&peer);
		(void) fd_close(fd);
		return;
	}
	if (agent->n_sessions >= listener->n_max && !make_place(agent)) {
		turn_away(fd);
		peer_done(&peer);
		(void) fd_close(fd);
		return;
	}
	agent_touch(agent, false);
	r = session_new(agent, fd, peer);
	if (r < 0)
		log_debug("a connection was lost at once: %s", strerror(-r));
}

static int listener_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	struct listener *listener = userdata;

	(void) source;
	(void) revents;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			listener_welcome(listener, client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* Our last accept may have served the last one and taken the last. */
			if (somebody_waits(fd) && !make_place(listener->agent)) {
				log_warning("no descriptors left, accepting again in a moment");
				listener_pause(listener);
			}
		} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			log_warning("accepting failed: %s", strerror(errno));
			listener_pause(listener);
		}
		return 0;
	}
	return 0;
}

/* As many connections as the descriptor limit has room for. */
static size_t places(void) {
	struct rlimit limit;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 64;
	n = limit.rlim_cur;
	if (n == RLIM_INFINITY || n / 2 > SESSIONS_MAX)
		return SESSIONS_MAX;
	n -= n > 2 * consignment_places() ? 2 * consignment_places() : n;
	return n > 2 * FDS_RESERVED ? (size_t) (n - FDS_RESERVED) / 2 : 16;
}

/* Finds and checks the directory. That of a socket of systemd's is there. */
static int listener_find(struct listener *listener, const char *path) {
	int r;

	r = endpoint_resolve(path, &listener->endpoint);
	if (r < 0)
		return r;
	r = endpoint_open(&listener->endpoint, !listener->is_inherited);
	if (r < 0)
		log_warning("'%s': %s", listener->endpoint.directory, endpoint_advice(r));
	return r;
}

/* A socket of our own. */
static int listener_bind(struct listener *listener, const char *path, struct stat *ret_file) {
	int r;

	r = listener_find(listener, path);
	if (r < 0)
		return r;
	r = take_lock(listener);
	if (r < 0)
		return r;
	/* No agent, but perhaps systemd, which starts one for the first who comes. */
	if (is_served(&listener->endpoint))
		return -EALREADY;
	return endpoint_listen(&listener->endpoint, BACKLOG, ret_file, &listener->socket);
}

/* systemd's socket, whose path decides; its file and directory must be as ours would be. */
static int listener_inherit(struct listener *listener, const char *path, struct stat *ret_file) {
	int r;

	r = listener_find(listener, path);
	if (r < 0)
		return r;
	r = endpoint_check_socket(&listener->endpoint, ret_file);
	if (r < 0) {
		log_warning("'%s', the socket that was handed over at the start, is gone, not ours "
			    "or open to others; the socket unit needs SocketMode=0600",
			path);
		return r;
	}
	if (fcntl(listener->socket, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return take_lock(listener);
}

static int listener_open(struct listener *listener, const char *path, struct stat *ret_file) {
	_cleanup_(freep) char *inherited = NULL;
	int r;

	r = inherited_take(&listener->socket, &inherited);
	if (r < 0)
		return r;
	if (r == 0)
		return listener_bind(listener, path, ret_file);
	listener->is_inherited = true;
	if (path) {
		log_warning("a socket was handed over at the start and --socket names one; "
			    "leave out one of them");
		return -EINVAL;
	}
	return listener_inherit(listener, inherited, ret_file);
}

static void listener_lost(void *userdata) {
	struct listener *listener = userdata;

	agent_leave(listener->agent, "the socket's file was removed or replaced");
}

int listener_new(struct agent *agent, const char *path, struct listener **ret) {
	_cleanup_(listener_freep) struct listener *listener = NULL;
	struct stat file;
	int r;

	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	listener->agent = agent;
	listener->endpoint = ENDPOINT_NULL;
	listener->lock = -1;
	listener->socket = -1;
	listener->n_max = places();
	r = listener_open(listener, path, &file);
	if (r < 0)
		return r;
	socket_file_init(&listener->file, &listener->endpoint, &file);
	r = sd_event_add_io(agent->event, &listener->io, listener->socket, EPOLLIN,
		listener_on_io, listener);
	if (r < 0)
		return r;
	r = socket_file_watch(&listener->file, agent->event, listener_lost, listener);
	if (r < 0) /* Most likely a limit of the user's; nobody is served worse for it. */
		log_warning("cannot watch the socket's file, going on without: %s", strerror(-r));
	*ret = TAKE_PTR(listener);
	return 0;
}

struct listener *listener_free(struct listener *listener) {
	if (!listener)
		return NULL;
	sd_event_source_disable_unref(listener->io);
	sd_event_source_disable_unref(listener->pause);
	/* Whoever connects to systemd's from here on is the next agent's. */
	if (!listener->is_inherited)
		socket_file_remove(&listener->file);
	socket_file_done(&listener->file);
	(void) fd_close(listener->socket);
	endpoint_done(&listener->endpoint);
	(void) fd_close(listener->lock);
	free(listener);
	return NULL;
}
