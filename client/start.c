#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/call.h"
#include "protocol/cleanup.h"

/* How long a daemon may take to be ready. A build with sanitizers needs more. */
#ifndef CPUB_START_USEC
#define CPUB_START_USEC (2 * CALL_USEC_PER_SEC)
#endif
#ifndef CPUB_LIBEXECDIR
#define CPUB_LIBEXECDIR "/usr/libexec/cpub-agent"
#endif

#define DAEMON_NAME "cpub-agentd"
/* Where the daemon finds its end of the readiness pipe. */
#define READY_FD 3
#define READY_OPTION "--ready-fd=3"
#define READY_BYTE 'R'
/* Above all that the child puts in place. */
#define SPARE_FD 10

/*
 * All that the daemon learns of our environment: where its files are, the language,
 * the bus on which its keyring is, and whether that could show a person something.
 */
static const char *const kept_variables[] = {"HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
	"XDG_DATA_HOME", "LANG", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"};
#define N_KEPT (sizeof(kept_variables) / sizeof(kept_variables[0]))
static char fixed_path[] = "PATH=/usr/bin:/bin";

/* The kept variables that are set, the path, and the end. */
struct environment {
	char *entries[N_KEPT + 2];
	size_t n_owned;
};

static void environment_done(struct environment *environment) {
	for (size_t i = 0; i < environment->n_owned; i++)
		free(environment->entries[i]);
}

static int environment_fill(struct environment *environment) {
	for (size_t i = 0; i < N_KEPT; i++) {
		const char *value = getenv(kept_variables[i]);
		if (!value)
			continue;
		char **entry = &environment->entries[environment->n_owned];
		if (asprintf(entry, "%s=%s", kept_variables[i], value) < 0) {
			*entry = NULL;
			return -ENOMEM;
		}
		environment->n_owned++;
	}
	environment->entries[environment->n_owned] = fixed_path;
	return 0;
}

/* PREFIX/libexec/cpub-agent/cpub-agentd for a client that runs as PREFIX/bin/NAME. */
static int start_find_beside(char **ret) {
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	if (n < 0)
		return -errno;
	if ((size_t) n >= sizeof(path))
		return -ENAMETOOLONG;
	path[n] = '\0';

	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	_cleanup_(freep) char *program = NULL;
	if (asprintf(&program, "%s/libexec/cpub-agent/" DAEMON_NAME, path) < 0) {
		program = NULL;
		return -ENOMEM;
	}
	if (access(program, X_OK) < 0)
		return -errno;
	*ret = TAKE_PTR(program);
	return 0;
}

static int start_find(char **ret) {
	static const char installed[] = CPUB_LIBEXECDIR "/" DAEMON_NAME;

	if (start_find_beside(ret) == 0)
		return 0;
	if (access(installed, X_OK) < 0)
		return -ENOENT;
	*ret = strdup(installed);
	return *ret ? 0 : -ENOMEM;
}

/* Nobody can be asked in the child: a failure ends it, and the parent sees the pipe's end. */
static void daemon_need(bool is_done) {
	if (!is_done)
		_exit(EXIT_FAILURE);
}

static void daemon_reset_signals(void) {
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		(void) sigaction(signal, &usual, NULL); /* Refused for SIGKILL and SIGSTOP. */
	(void) sigemptyset(&none);
	daemon_need(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
}

/*
 * 0 to 2 on /dev/null, the pipe at READY_FD, nothing else. Both sources are
 * first moved out of the way of the targets, which also makes each dup2 a real
 * one, whose result stays open over exec.
 */
static void daemon_place_descriptors(int ready_fd) {
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	daemon_need(null_fd >= 0);
	null_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, SPARE_FD);
	ready_fd = fcntl(ready_fd, F_DUPFD_CLOEXEC, SPARE_FD);
	daemon_need(null_fd >= 0 && ready_fd >= 0);

	for (int fd = 0; fd < READY_FD; fd++)
		daemon_need(dup2(null_fd, fd) == fd);
	daemon_need(dup2(ready_fd, READY_FD) == READY_FD);
	daemon_need(close_range(READY_FD + 1, ~0U, 0) == 0);
}

/*
 * In the child. A second fork, because a session's leader could get a
 * controlling terminal again, and so that init inherits the daemon, not us.
 */
_Noreturn static void start_become_daemon(
	const char *program, char *const environment[], int ready_fd) {
	char name[] = DAEMON_NAME;
	char option[] = READY_OPTION;
	char *const arguments[] = {name, option, NULL};

	daemon_need(setsid() >= 0);
	pid_t pid = fork();
	if (pid != 0)
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);

	daemon_reset_signals();
	daemon_need(chdir("/") == 0);
	daemon_place_descriptors(ready_fd);
	(void) execve(program, arguments, environment);
	_exit(EXIT_FAILURE);
}

static int start_wait_ready(int fd) {
	char byte;
	struct pollfd pipe_end = {.fd = fd, .events = POLLIN};

	int r = call_poll(&pipe_end, 1, call_deadline(CPUB_START_USEC));
	if (r < 0)
		return r;
	ssize_t n = read(fd, &byte, 1);
	if (n < 0)
		return -errno;
	return n == 1 && byte == READY_BYTE ? 0 : -ECHILD;
}

int start_agent(void) {
	_cleanup_(freep) char *program = NULL;
	_cleanup_(environment_done) struct environment environment = {0};
	int ends[2];

	int r = start_find(&program);
	if (r < 0)
		return r;
	r = environment_fill(&environment);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_(fd_closep) int read_end = ends[0];
	_cleanup_(fd_closep) int write_end = ends[1];

	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		start_become_daemon(program, environment.entries, write_end);

	/* The child only forks again. ECHILD, if our parent made us ignore SIGCHLD, is fine. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	write_end = fd_close(write_end);
	return start_wait_ready(read_end);
}

const char *start_advice(int error) {
	switch (error) {
	case -ENOENT:
		return "the program `" DAEMON_NAME "` is not where it belongs; install cpub-agent "
		       "again";
	case -ECHILD:
		return "the agent was started and ended at once; run `" DAEMON_NAME
		       "` by hand to see why";
	case -ETIMEDOUT:
		return "the agent was started and is not ready in time; try again";
	default:
		return "the agent could not be started for want of memory, processes "
		       "or descriptors";
	}
}
