#include "agent.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "agent/audit.h"
#include "agent/child.h"
#include "agent/consignment.h"
#include "agent/derive.h"
#include "agent/dispatch.h"
#include "agent/home.h"
#include "agent/listener.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/prompt.h"
#include "agent/rule/grant.h"
#include "agent/session.h"
#include "agent/signing.h"
#include "agent/store/store.h"
#include "agent/watch.h"
#include "agent/witness.h"
#include "protocol/request.h"
#include "protocol/secret.h"

#ifndef CPUB_LIBEXECDIR
#error "the build says where the workers are installed"
#endif

/* An agent that is to leave lets requests end for so long, and looks so often. */
#define LEAVE_USEC (1 * USEC_PER_SEC)
#define LEAVE_POLL_USEC (20 * USEC_PER_MSEC)

uint64_t agent_now_usec(const struct agent *agent) {
	uint64_t now = 0;

	/* Time asleep counts: an approval does not outlive a night in a bag. */
	(void) sd_event_now(agent->event, CLOCK_BOOTTIME, &now); /* A valid clock. */
	return now;
}

bool agent_has_display(void) {
	static const char *const variables[] = {"DISPLAY", "WAYLAND_DISPLAY"};

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (value && value[0] != '\0')
			return true;
	}
	return false;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static uint64_t first_idle_usec(const struct agent *agent) {
	return smaller(agent->options.lock_after_usec, agent->options.exit_after_usec);
}

void agent_touch(struct agent *agent, bool is_request) {
	agent->last_touch_usec = agent_now_usec(agent);
	if (!is_request)
		return;
	agent->last_request_usec = agent->last_touch_usec;
	/* It may open or lock the store: agent_on_idle then finds out how long is left. */
	if (agent->idle) {
		(void) sd_event_source_set_time_relative(agent->idle, first_idle_usec(agent));
		(void) sd_event_source_set_enabled(agent->idle, SD_EVENT_ONESHOT);
	}
}

void agent_lock(struct agent *agent, const char *why) {
	struct session *next;

	grant_drop_all(&agent->grants);
	witness_lock_all(agent);
	mandate_lock_all(agent);
	signing_lock_all(agent);
	expiring_done(&agent->expiring);
	for (struct session *s = agent->sessions; s; s = next) {
		next = s->next;
		session_drop_secret(s);
		if (s->consignment)
			consignment_lock(s->consignment);
		if (!session_is_running(s) || !s->operation || s->is_held ||
			dispatch_row(s)->survives_lock)
			continue;
		/* Whatever was asked or typed for it is forgotten here and now. */
		session_set_operation(s, NULL, NULL);
		session_refuse(s, REFUSAL_LOCKED, NULL);
	}
	if (store_state(agent->store) != STORE_OPEN)
		return;
	store_lock(agent->store);
	log_notice("locked: %s", why);
}

static bool has_running_session(const struct agent *agent) {
	for (const struct session *s = agent->sessions; s; s = s->next) {
		if (session_is_running(s))
			return true;
	}
	return false;
}

/* Crates that were approved keep the store open, as a grant does; others only the agent. */
static bool has_consignment(const struct agent *agent, bool is_approved) {
	for (const struct session *s = agent->sessions; s; s = s->next) {
		if (s->consignment && (is_approved ? consignment_account(s->consignment) != NULL
						   : consignment_is_alive(s->consignment)))
			return true;
	}
	return false;
}

/* How long until `span` has passed since `from`; 0 if it has. */
static uint64_t left(uint64_t now, uint64_t from, uint64_t span) {
	return now - from >= span ? 0 : span - (now - from);
}

static int agent_on_idle(sd_event_source *source, uint64_t usec, void *userdata) {
	struct agent *agent = userdata;
	uint64_t now = agent_now_usec(agent), wait;
	bool is_open = store_state(agent->store) == STORE_OPEN;
	bool is_busy = has_running_session(agent) || grant_count(&agent->grants, now) > 0 ||
		       has_consignment(agent, is_open);

	(void) usec;
	if (is_open) {
		wait = left(now, agent->last_request_usec, agent->options.lock_after_usec);
		if (wait == 0 && !is_busy) {
			agent_lock(agent, "idle");
			agent->last_touch_usec = now;
			wait = agent->options.exit_after_usec;
		}
	} else {
		wait = left(now, agent->last_touch_usec, agent->options.exit_after_usec);
		if (wait == 0 && !is_busy) {
			log_debug("idle, leaving");
			return sd_event_exit(agent->event, 0);
		}
	}
	if (is_busy) /* And may be about to open the store: look again soon. */
		wait = USEC_PER_SEC;
	(void) sd_event_source_set_time_relative(source, wait);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int agent_watch_idle(struct agent *agent) {
	agent_touch(agent, true);
	return sd_event_add_time_relative(agent->event, &agent->idle, CLOCK_BOOTTIME,
		first_idle_usec(agent), 0, agent_on_idle, agent);
}

/* Whose answer has not gone out yet is not done either. */
static bool has_busy_session(const struct agent *agent) {
	for (const struct session *s = agent->sessions; s; s = s->next) {
		if (s->state == SESSION_RUNNING || s->state == SESSION_WRITING)
			return true;
	}
	return false;
}

static int agent_on_leaving(sd_event_source *source, uint64_t usec, void *userdata) {
	struct agent *agent = userdata;

	(void) usec;
	if (!has_busy_session(agent) || agent_now_usec(agent) >= agent->leave_by_usec)
		return sd_event_exit(agent->event, 0);
	(void) sd_event_source_set_time_relative(source, LEAVE_POLL_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void agent_leave(struct agent *agent, const char *why) {
	int r;

	if (agent->leaving)
		return;
	log_notice("leaving: %s", why);
	agent->leave_by_usec = agent_now_usec(agent) + LEAVE_USEC;
	r = sd_event_add_time_relative(agent->event, &agent->leaving, CLOCK_MONOTONIC, 0, 0,
		agent_on_leaving, agent);
	if (r < 0)
		(void) sd_event_exit(agent->event, 0); /* Then at once. */
}

static int agent_on_hangup(
	sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
	(void) source;
	(void) info;
	agent_lock(userdata, "SIGHUP");
	return 0;
}

static int agent_watch_signals(struct agent *agent) {
	static const int stop[] = {SIGTERM, SIGINT};
	sigset_t mask;
	int r;

	if (sigemptyset(&mask) < 0 || sigaddset(&mask, SIGTERM) < 0 ||
		sigaddset(&mask, SIGINT) < 0 || sigaddset(&mask, SIGHUP) < 0 ||
		sigaddset(&mask, SIGCHLD) < 0)
		return -errno;
	/* Before the first child: sd_event_add_child wants SIGCHLD blocked. */
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;
	/* A peer that has left, and a file at its size limit, are errors to be told. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -errno;
	for (size_t i = 0; i < sizeof(stop) / sizeof(stop[0]); i++) {
		/* Without a handler the loop ends. */
		r = sd_event_add_signal(agent->event, NULL, stop[i], NULL, NULL);
		if (r < 0)
			return r;
	}
	return sd_event_add_signal(agent->event, NULL, SIGHUP, agent_on_hangup, agent);
}

/* The workers lie beside us; else where they were to be installed. */
static int find_programs(char **ret) {
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash, *copy;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
		if (asprintf(&copy, "%s/worker-kdf", path) < 0)
			return -ENOMEM;
		n = access(copy, X_OK);
		free(copy);
		if (n == 0) {
			*ret = strdup(path);
			return *ret ? 0 : -ENOMEM;
		}
	}
	*ret = strdup(CPUB_LIBEXECDIR);
	return *ret ? 0 : -ENOMEM;
}

static int take_askpass(struct agent *agent) {
	const char *askpass = getenv("CPUB_ASKPASS");

	if (!askpass || askpass[0] == '\0')
		return 0;
	if (askpass[0] != '/') {
		log_warning("CPUB_ASKPASS '%s' is no absolute path, ignoring it", askpass);
		return 0;
	}
	agent->askpass = strdup(askpass);
	return agent->askpass ? 0 : -ENOMEM;
}

/* Said here, where it can be said what to do: further down it is only a missing file. */
static int check_homes(void) {
	static const enum home homes[] = {HOME_DATA, HOME_STATE};

	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
		_cleanup_(freep) char *path = NULL;
		int r = home_path(homes[i], &path);

		if (r == -ENOENT)
			log_warning("HOME is not set to an absolute path, so there is no place for "
				    "the store; set it, or XDG_DATA_HOME and XDG_STATE_HOME");
		if (r < 0)
			return r;
	}
	return 0;
}

static void raise_descriptor_limit(void) {
	struct rlimit limit;

	/* More connections before the oldest has to go; the old limit does as well. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void) setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int agent_open_memory(struct agent *agent);

int agent_new(const struct agent_options *options, struct agent **ret) {
	_cleanup_(agent_freep) struct agent *agent = NULL;
	int r;

	agent = calloc(1, sizeof(*agent));
	if (!agent)
		return -ENOMEM;
	agent->options = *options;
	raise_descriptor_limit();
	if (!options->in_memory) {
		r = check_homes();
		if (r < 0)
			return r;
	}
	r = sd_event_new(&agent->event);
	if (r < 0)
		return r;
	/* Where systemd asks for it: a loop that stands still gets us ended and started anew. */
	r = sd_event_set_watchdog(agent->event, true);
	if (r < 0)
		return r;
	r = agent_watch_signals(agent);
	if (r < 0)
		return r;
	r = find_programs(&agent->program_directory);
	if (r < 0)
		return r;
	r = take_askpass(agent);
	if (r < 0)
		return r;
	r = secret_new(REQUEST_MAX, &agent->intake);
	if (r < 0)
		return r;
	r = audit_new(&agent->audit);
	if (r < 0)
		return r;
	r = store_new(agent, options->in_memory ? "memory" : NULL, &agent->store);
	if (r < 0)
		return r;
	r = watch_new(agent, &agent->watch);
	if (r < 0)
		return r;
	r = listener_new(agent, options->socket, &agent->listener);
	if (r < 0)
		return r;
	r = agent_watch_idle(agent);
	if (r < 0)
		return r;
	if (options->in_memory) {
		r = agent_open_memory(agent);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(agent);
	return 0;
}

static void memory_created(int error, void *userdata) {
	(void) userdata;
	if (error < 0)
		log_warning("the store in memory could not be made: %s", strerror(-error));
}

static void memory_loaded(int error, void *userdata) {
	struct agent *agent = userdata;

	if (error == 0)
		error = store_create(agent->store, "memory", NULL, NULL, memory_created, agent);
	if (error < 0)
		memory_created(error, agent);
}

/* A store in memory needs no `init`: its key never leaves this process. */
static int agent_open_memory(struct agent *agent) {
	return store_load(agent->store, false, memory_loaded, agent);
}

/* sd_event_loop, and after each event a look at what it has done to the store. */
static int agent_loop(struct agent *agent) {
	int code, r;

	while (sd_event_get_state(agent->event) != SD_EVENT_FINISHED) {
		r = sd_event_run(agent->event, UINT64_MAX);
		if (r < 0)
			return r;
		/* Many paths open and lock it; none of them has to think of this. */
		watch_follow(agent->watch);
	}
	r = sd_event_get_exit_code(agent->event, &code);
	return r < 0 ? r : code;
}

int agent_run(struct agent *agent) {
	int r;

	if (agent->options.ready_fd >= 0) {
		/* Whoever started us may have given up waiting; we serve all the same. */
		(void) !write(agent->options.ready_fd, "R", 1);
		agent->options.ready_fd = fd_close(agent->options.ready_fd);
	}
	/* To systemd, where it is the one that started us; nobody else is told anything. */
	(void) sd_notify(0, "READY=1\nSTATUS=Serving.");
	r = agent_loop(agent);
	(void) sd_notify(0, "STOPPING=1\nSTATUS=Locking and leaving.");
	agent_lock(agent, "leaving");
	return r;
}

struct agent *agent_free(struct agent *agent) {
	if (!agent)
		return NULL;
	/* First nobody new, then the connections with all that they started. */
	listener_free(agent->listener);
	while (agent->sessions)
		session_free(agent->sessions);
	while (agent->prompts) /* Only messages that nobody owns are left. */
		prompt_free(agent->prompts);
	grant_drop_all(&agent->grants);
	while (agent->witnesses)
		witness_free(agent->witnesses);
	alarms_done(&agent->alarms);
	clocks_done(&agent->clocks);
	expiring_done(&agent->expiring);
	watch_free(agent->watch);
	if (agent->event)
		child_end_all(agent);
	store_free(agent->store);
	audit_free(agent->audit);
	secret_free(agent->intake);
	sd_event_source_disable_unref(agent->idle);
	sd_event_source_disable_unref(agent->leaving);
	free(agent->program_directory);
	free(agent->askpass);
	sd_event_unref(agent->event);
	free(agent);
	return NULL;
}
