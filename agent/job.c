/*
 * The life of a job, and what ends it:
 *
 *   STARTED --ready--> WORKING --answer--> ANSWERED --end of stream--> DONE
 *      |                  |                   |
 *      +------------------+-------------------+--> FAILED: end of stream too
 *                                                  early, a frame out of
 *                                                  order, deadline
 *
 * The task, with its secret, is sent only after "ready", when the worker has
 * closed itself to other programs. The process is a `struct child` of its own:
 * it outlives the job until the kernel says that it is gone, so that the loop
 * never waits for it.
 */

#include "job.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/lent.h"
#include "agent/log.h"
#include "agent/work/worker.h"
#include "protocol/secret.h"

/* How long a worker has between SIGTERM and SIGKILL. */
#define GRACE_USEC (500 * USEC_PER_MSEC)
/* At the end of the agent: how long it may take the kernel to end a killed worker. */
#define REAP_USEC (1 * USEC_PER_SEC)
#define REAP_POLL_USEC (2 * USEC_PER_MSEC)

enum job_state {
	JOB_STARTED,
	JOB_WORKING,
	JOB_ANSWERED,
	JOB_DONE,
};

struct child {
	struct agent *agent;
	struct child *next, **link;
	/* Who waits for its answer; NULL once nobody does. */
	struct job *job;
	enum worker worker;
	sd_event_source *source;
	sd_event_source *grace;
};

struct job {
	struct agent *agent;
	enum worker worker;
	enum job_state state;
	int socket;
	sd_event_source *io;
	sd_event_source *deadline;
	struct child *child;
	struct fields *task;
	int fds[FRAME_FDS_MAX];
	size_t n_fds;
	struct fields *answer;
	job_done_t done;
	void *userdata;
};

/* What each worker may see of the environment in which the agent was started. */
static const char *const no_environment[] = {NULL};
static const char *const ask_environment[] = {"HOME", "LANG", "DISPLAY", "WAYLAND_DISPLAY",
	"XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", NULL};

static const struct {
	const char *program;
	const char *const *environment;
} workers[] = {
	[WORKER_KDF] = {"worker-kdf", no_environment},
	[WORKER_ASK] = {"worker-ask", ask_environment},
	[WORKER_NET] = {"worker-net", no_environment},
	[WORKER_READ] = {"worker-read", no_environment},
	[WORKER_IMPORT] = {"worker-import", no_environment},
};
static_assert(sizeof(workers) / sizeof(workers[0]) == _WORKER_MAX, "a row for each worker");

static struct child *child_free(struct child *child) {
	if (!child)
		return NULL;
	if (child->link) {
		*child->link = child->next;
		if (child->next)
			child->next->link = child->link;
	}
	if (child->job)
		child->job->child = NULL;
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

/* Asks the process to end and sees to it that it does. */
static void child_end(struct child *child) {
	int r;

	child->job = NULL;
	(void) sd_event_source_send_child_signal(child->source, SIGTERM, NULL, 0);
	r = sd_event_add_time_relative(child->agent->event, &child->grace, CLOCK_MONOTONIC,
		GRACE_USEC, 0, child_on_grace, child);
	if (r < 0)
		(void) sd_event_source_send_child_signal(child->source, SIGKILL, NULL, 0);
}

/* One that waits in the kernel for something of a stranger's outlives even SIGKILL. */
static void child_reap(struct child *child) {
	const struct timespec poll = {.tv_nsec = (long) REAP_POLL_USEC * 1000};
	pid_t pid;

	if (sd_event_source_get_child_pid(child->source, &pid) < 0)
		return; /* Reaped already. */
	(void) sd_event_source_send_child_signal(child->source, SIGKILL, NULL, 0);
	for (uint64_t waited = 0; waited < REAP_USEC; waited += REAP_POLL_USEC) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		(void) nanosleep(&poll, NULL);
	}
	log_warning("worker '%s' could not be ended", workers[child->worker].program);
}

void job_end_children(struct agent *agent) {
	while (agent->children) {
		struct child *child = agent->children;

		child_reap(child);
		child_free(child);
	}
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
static int spawn(struct job *job, int socket, pid_t *ret) {
	_cleanup_(freep) char *path = NULL;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char *environment[16];
	char *argv[2];
	sigset_t none, all;
	int r;

	if (asprintf(&path, "%s/%s", job->agent->program_directory,
		    workers[job->worker].program) < 0)
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
		collect_environment(job->worker, environment,
			sizeof(environment) / sizeof(environment[0]));
		r = posix_spawn(ret, path, &actions, &attributes, argv, environment);
		free_strings(environment);
	}
	(void) posix_spawnattr_destroy(&attributes);
	(void) posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int start_child(struct job *job, int socket) {
	_cleanup_(child_freep) struct child *child = NULL;
	pid_t pid;
	int r;

	child = calloc(1, sizeof(*child));
	if (!child)
		return -ENOMEM;
	child->agent = job->agent;
	child->worker = job->worker;
	r = spawn(job, socket, &pid);
	if (r < 0)
		return r;
	r = sd_event_add_child(
		job->agent->event, &child->source, pid, WEXITED, child_on_exit, child);
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
	child->next = job->agent->children;
	child->link = &job->agent->children;
	if (child->next)
		child->next->link = &child->next;
	job->agent->children = child;
	child->job = job;
	job->child = TAKE_PTR(child);
	return 0;
}

/* Ends the job; the callback is the last thing that touches it. */
static void job_finish(struct job *job, enum refusal refusal, const char *detail) {
	job->state = JOB_DONE;
	job->io = sd_event_source_disable_unref(job->io);
	job->deadline = sd_event_source_disable_unref(job->deadline);
	job->socket = fd_close(job->socket);
	job->task = fields_free(job->task);
	job->done(refusal, detail, refusal == REFUSAL_NONE ? job->answer : NULL, job->userdata);
}

static void job_fail(struct job *job, const char *what) {
	log_warning("worker '%s' %s", workers[job->worker].program, what);
	job_finish(job, REFUSAL_WORKER_FAILED, NULL);
}

/* The stream has ended in order: reads what the answer says. */
static void job_answered(struct job *job) {
	_cleanup_(freep) char *detail = NULL;
	uint64_t refusal = REFUSAL_NONE;
	int r;

	r = fields_get_u64(job->answer, FIELD_REFUSAL, &refusal);
	if ((r < 0 && r != -ENOENT) || refusal >= _REFUSAL_MAX) {
		job_fail(job, "gave a malformed answer");
		return;
	}
	(void) fields_get_string(job->answer, FIELD_DETAIL, &detail); /* Often there is none. */
	job_finish(job, (enum refusal) refusal, detail);
}

static int job_send_task(struct job *job) {
	int r;

	r = frame_send(job->socket, FRAME_TASK, job->task, job->fds, job->n_fds);
	if (r < 0)
		return r;
	job->task = fields_free(job->task);
	for (size_t i = 0; i < job->n_fds; i++)
		job->fds[i] = lent_close(job->fds[i]);
	job->n_fds = 0;
	return 0;
}

/* Takes one frame. Returns what is wrong with it, or NULL. */
static const char *job_take(struct job *job, enum frame_type type, struct fields **fields) {
	switch (type) {
	case FRAME_READY:
		if (job->state != JOB_STARTED)
			return "said twice that it is ready";
		if (job_send_task(job) < 0)
			return "did not take its task";
		job->state = JOB_WORKING;
		return NULL;
	case FRAME_PROGRESS:
		return job->state == JOB_WORKING ? NULL : "told progress out of turn";
	case FRAME_ANSWER:
		if (job->state != JOB_WORKING)
			return "answered out of turn";
		job->answer = TAKE_PTR(*fields);
		job->state = JOB_ANSWERED;
		return NULL;
	case FRAME_TASK:
		break;
	}
	return "sent an unknown frame";
}

static int job_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	struct job *job = userdata;
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
	if (r == 0 || r == -ECONNRESET) {
		if (job->state == JOB_ANSWERED)
			job_answered(job);
		else
			job_fail(job, "ended without an answer");
		return 0;
	}
	if (r < 0) {
		job_fail(job, "sent a malformed frame");
		return 0;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void) fd_close(fds[i]); /* No worker has descriptors to give yet. */
	wrong = n_fds > 0 ? "sent a descriptor" : job_take(job, type, &fields);
	if (wrong)
		job_fail(job, wrong);
	return 0;
}

static int job_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	struct job *job = userdata;

	(void) source;
	(void) usec;
	log_warning("worker '%s' did not finish in time, ending it", workers[job->worker].program);
	job_finish(job, REFUSAL_WORKER_TIMEOUT, NULL);
	return 0;
}

static int job_start(struct job *job, uint64_t deadline_usec) {
	_cleanup_(fd_closep) int theirs = -1;
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	job->socket = pair[0];
	theirs = pair[1];
	if (fcntl(job->socket, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = start_child(job, theirs);
	if (r < 0) {
		log_warning("worker '%s' could not be started: %s", workers[job->worker].program,
			strerror(-r));
		return -ECHILD;
	}
	r = sd_event_add_io(job->agent->event, &job->io, job->socket, EPOLLIN, job_on_io, job);
	if (r < 0)
		return r;
	return sd_event_add_time_relative(job->agent->event, &job->deadline, CLOCK_MONOTONIC,
		deadline_usec, 0, job_on_deadline, job);
}

int job_new(struct agent *agent, enum worker worker, struct fields *task, const int *fds,
	size_t n_fds, uint64_t deadline_usec, job_done_t done, void *userdata, struct job **ret) {
	_cleanup_(fields_freep) struct fields *taken = task;
	_cleanup_(job_freep) struct job *job = NULL;
	int r;

	assert(n_fds <= FRAME_FDS_MAX);
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->agent = agent;
	job->worker = worker;
	job->socket = -1;
	job->done = done;
	job->userdata = userdata;
	job->task = TAKE_PTR(taken);
	for (size_t i = 0; i < n_fds; i++) {
		job->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (job->fds[i] < 0)
			return -errno;
		job->n_fds++;
	}
	r = job_start(job, deadline_usec);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(job);
	return 0;
}

struct job *job_free(struct job *job) {
	if (!job)
		return NULL;
	/* A child that has answered is on its way out; ending it as well does no harm. */
	if (job->child)
		child_end(job->child);
	sd_event_source_disable_unref(job->io);
	sd_event_source_disable_unref(job->deadline);
	(void) fd_close(job->socket);
	for (size_t i = 0; i < job->n_fds; i++)
		(void) lent_close(job->fds[i]);
	fields_free(job->task);
	fields_free(job->answer);
	free(job);
	return NULL;
}
