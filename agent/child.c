/*
 * A worker's process. It outlives the job that it was started for until the
 * kernel says that it is gone, so that the loop never waits for it.
 */

#include "child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/work/worker.h"

/* How long a worker has between SIGTERM and SIGKILL. */
#define GRACE_USEC (500 * USEC_PER_MSEC)
/* At the end of the agent: how long it may take the kernel to end all that were killed. */
#define REAP_USEC (1 * USEC_PER_SEC)
#define REAP_POLL_USEC (2 * USEC_PER_MSEC)

struct child {
	struct agent *agent;
	struct child *next, **link;
	/* Where whoever waits for its answer has it; NULL once nobody does. */
	struct child **holder;
	enum worker worker;
	sd_event_source *source;
	sd_event_source *grace;
};

/* What each worker may see of the environment in which the agent was started. */
static const char *const no_environment[] = {NULL};
static const char *const ask_environment[] = {"HOME", "LANG", "DISPLAY", "WAYLAND_DISPLAY",
	"XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", NULL};
static const char *const bus_environment[] = {
	"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", NULL};
static const char *const watch_environment[] = {"DBUS_SYSTEM_BUS_ADDRESS", NULL};

/* At most `n_max` of a kind at once; those that cannot be ended are not counted. */
static const struct {
	const char *program;
	const char *const *environment;
	size_t n_max;
} workers[] = {
	[WORKER_KDF] = {"worker-kdf", no_environment, 16},
	[WORKER_ASK] = {"worker-ask", ask_environment, 32},
	[WORKER_NET] = {"worker-net", no_environment, 16},
	[WORKER_READ] = {"worker-read", no_environment, 16},
	[WORKER_IMPORT] = {"worker-import", no_environment, 16},
	[WORKER_KEYRING] = {"worker-keyring", bus_environment, 16},
	[WORKER_CARGO_KEYRING] = {"worker-keyring", bus_environment, 8},
	[WORKER_WATCH] = {"worker-watch", watch_environment, 1},
	[WORKER_SEAL] = {"worker-seal", no_environment, 16},
	[WORKER_INSPECT] = {"worker-inspect", no_environment, 16},
	[WORKER_SIGN] = {"worker-sign", no_environment, 16},
};
static_assert(sizeof(workers) / sizeof(workers[0]) == _WORKER_MAX, "a row for each worker");

const char *child_program(enum worker worker) {
	return workers[worker].program;
}

static struct child *child_free(struct child *child) {
	if (!child)
		return NULL;
	if (child->link) {
		*child->link = child->next;
		if (child->next)
			child->next->link = child->link;
	}
	if (child->holder)
		*child->holder = NULL;
	sd_event_source_disable_unref(child->grace);
	sd_event_source_disable_unref(child->source);
	free(child);
	return NULL;
}
DEFINE_CLEANUP(struct child, child_free)

static int child_on_exit(sd_event_source *source, const siginfo_t *info, void *userdata) {
	struct child *child = userdata;

	(void) source;
	if (info->si_code != CLD_EXITED && info->si_status != SIGTERM &&
		info->si_status != SIGKILL)
		log_warning("worker '%s' was ended by signal %d", workers[child->worker].program,
			info->si_status);
	child_free(child);
	return 0;
}

static int child_on_grace(sd_event_source *source, uint64_t usec, void *userdata) {
	struct child *child = userdata;

	(void) source;
	(void) usec;
	/* Already gone is as good. */
	(void) sd_event_source_send_child_signal(child->source, SIGKILL, NULL, 0);
	return 0;
}

/* Copies the allowed part of our environment into `ret`, which holds enough for each name. */
static void collect_environment(enum worker worker, char **ret, size_t size) {
	size_t n = 0;

	for (size_t i = 0; workers[worker].environment[i] && n + 1 < size; i++) {
		const char *name = workers[worker].environment[i];
		const char *value = getenv(name);

		if (value && asprintf(&ret[n], "%s=%s", name, value) >= 0)
			n++;
	}
	ret[n] = NULL;
}

static void free_strings(char **strings) {
	for (; *strings; strings++)
		free(*strings);
}

/* Starts the program with `socket` as WORKER_SOCKET and nothing else of ours. */
static int spawn(const struct child *child, int socket, pid_t *ret) {
	_cleanup_(freep) char *path = NULL;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char *environment[16];
	char *argv[2];
	sigset_t none, all;
	int r;

	if (asprintf(&path, "%s/%s", child->agent->program_directory,
		    workers[child->worker].program) < 0)
		return -ENOMEM;
	argv[0] = path;
	argv[1] = NULL;
	(void) sigemptyset(&none);
	(void) sigfillset(&all);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		(void) posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, socket, WORKER_SOCKET);
	if (r == 0)
		r = posix_spawnattr_setsigmask(&attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(&attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(&attributes,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	if (r == 0) {
		collect_environment(child->worker, environment,
			sizeof(environment) / sizeof(environment[0]));
		r = posix_spawn(ret, path, &actions, &attributes, argv, environment);
		free_strings(environment);
	}
	(void) posix_spawnattr_destroy(&attributes);
	(void) posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static size_t n_at_work(const struct agent *agent, enum worker worker) {
	size_t n = 0;

	for (const struct child *child = agent->children; child; child = child->next)
		n += child->worker == worker && child->holder;
	return n;
}

int child_new(struct agent *agent, enum worker worker, int socket, struct child **ret) {
	_cleanup_(child_freep) struct child *child = NULL;
	pid_t pid;
	int r;

	if (n_at_work(agent, worker) >= workers[worker].n_max)
		return -EBUSY;
	child = calloc(1, sizeof(*child));
	if (!child)
		return -ENOMEM;
	child->agent = agent;
	child->worker = worker;
	r = spawn(child, socket, &pid);
	if (r < 0)
		return r;
	r = sd_event_add_child(agent->event, &child->source, pid, WEXITED, child_on_exit, child);
	/*
	 * libsystemd 252 watches a pidfd once, and its waitid can find nothing yet
	 * when the event comes: turned off and on again it looks as long as it takes.
	 */
	if (r >= 0)
		r = sd_event_source_set_enabled(child->source, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_source_set_enabled(child->source, SD_EVENT_ON);
	if (r < 0) {
		/* It has seen no task yet, so that nothing keeps it from dying at once. */
		(void) kill(pid, SIGKILL);
		(void) waitpid(pid, NULL, 0);
		return r;
	}
	child->next = child->agent->children;
	child->link = &child->agent->children;
	if (child->next)
		child->next->link = &child->next;
	child->agent->children = child;
	child->holder = ret;
	*ret = TAKE_PTR(child);
	return 0;
}

/* Asks the process to end and sees to it that it does. */
void child_end(struct child *child) {
	int r;

	child->holder = NULL;
	(void) sd_event_source_send_child_signal(child->source, SIGTERM, NULL, 0);
	r = sd_event_add_time_relative(child->agent->event, &child->grace, CLOCK_MONOTONIC,
		GRACE_USEC, 0, child_on_grace, child);
	if (r < 0)
		(void) sd_event_source_send_child_signal(child->source, SIGKILL, NULL, 0);
}

/* One that waits in the kernel for something of a stranger's outlives even SIGKILL. */
static void child_reap(const struct child *child, unsigned *n_polls) {
	const struct timespec poll = {.tv_nsec = (long) REAP_POLL_USEC * 1000};
	pid_t pid;

	if (sd_event_source_get_child_pid(child->source, &pid) < 0)
		return; /* Reaped already. */
	for (; *n_polls > 0; (*n_polls)--) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		(void) nanosleep(&poll, NULL);
	}
	log_warning("worker '%s' could not be ended", workers[child->worker].program);
}

void child_end_all(struct agent *agent) {
	unsigned n_polls = REAP_USEC / REAP_POLL_USEC;

	for (struct child *child = agent->children; child; child = child->next)
		(void) sd_event_source_send_child_signal(child->source, SIGKILL, NULL, 0);
	while (agent->children) {
		child_reap(agent->children, &n_polls);
		child_free(agent->children);
	}
}
