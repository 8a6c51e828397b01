#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "deadline.h"

#include "protocol/cleanup.h"

/* What a shell answers for a program that it cannot run. */
#define STATUS_NOT_RUN 127

/* A program that has closed its output has nothing more to say; it gets this long to go. */
#define END_MSEC 2000u

/* In the new process: only what must be done between fork and exec. */
static _Noreturn void child_exec(const char *program, const char *argument, const char *hint,
	pid_t parent, int in, int out) {
	const char *argv[] = {program, argument, NULL};
	sigset_t none;

	(void) sigemptyset(&none);
	/* A dialogue must not outlive the question: nobody would read its answer. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(STATUS_NOT_RUN);
	if (setpgid(0, 0) < 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR ||
		sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		_exit(STATUS_NOT_RUN);
	if ((in >= 0 && dup2(in, STDIN_FILENO) < 0) || dup2(out, STDOUT_FILENO) < 0)
		_exit(STATUS_NOT_RUN);
	if (hint && setenv("SSH_ASKPASS_PROMPT", hint, 1) < 0)
		_exit(STATUS_NOT_RUN);
	/* execv takes pointers to plain char and changes nothing. */
	(void) execv(program, (char **) (uintptr_t) argv);
	_exit(STATUS_NOT_RUN);
}

/* SIGCHLD is waited for with sigtimedwait, so it must be pending, not delivered. */
static int child_block_sigchld(void) {
	sigset_t set;

	(void) sigemptyset(&set);
	(void) sigaddset(&set, SIGCHLD);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

int child_start(const char *program, const char *argument, const char *hint, bool has_input,
	struct child *ret) {
	int output[2], input[2] = {-1, -1};

	if (program[0] != '/' || access(program, X_OK) < 0)
		return -ENOEXEC;
	int r = child_block_sigchld();
	if (r < 0)
		return r;
	if (pipe2(output, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_(fd_closep) int out = output[0];
	_cleanup_(fd_closep) int their_out = output[1];
	if (has_input && pipe2(input, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_(fd_closep) int their_in = input[0];
	_cleanup_(fd_closep) int in = input[1];

	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_exec(program, argument, hint, parent, their_in, their_out);
	(void) setpgid(pid, pid); /* Whichever of us is first; the other's call may fail. */
	*ret = (struct child){.pid = pid, .in = TAKE_FD(in), .out = TAKE_FD(out)};
	return 0;
}

void child_done(struct child *child) {
	if (child->pid > 0) {
		(void) kill(-child->pid, SIGKILL); /* If it is gone already, all the better. */
		(void) waitpid(child->pid, NULL, 0);
	}
	(void) fd_close(child->in);
	(void) fd_close(child->out);
	*child = CHILD_NULL;
}

enum refusal child_read(const struct child *child, uint64_t deadline_usec, void *bytes, size_t size,
	size_t *ret_size) {
	for (;;) {
		enum refusal refusal = deadline_wait(deadline_usec, child->out, POLLIN);
		if (refusal != REFUSAL_NONE)
			return refusal;

		ssize_t n = read(child->out, bytes, size);
		if (n >= 0) {
			*ret_size = (size_t) n;
			return REFUSAL_NONE;
		}
		if (errno != EINTR)
			return REFUSAL_PROMPT_FAILED;
	}
}

enum refusal child_write(
	const struct child *child, uint64_t deadline_usec, const void *bytes, size_t size) {
	const char *rest = bytes;

	while (size > 0) {
		enum refusal refusal = deadline_wait(deadline_usec, child->in, POLLOUT);
		if (refusal != REFUSAL_NONE)
			return refusal;

		/* A writable pipe takes up to PIPE_BUF bytes without blocking; ours are fewer. */
		ssize_t n = write(child->in, rest, size);
		if (n < 0 && errno != EINTR)
			return REFUSAL_PROMPT_FAILED;
		if (n > 0) {
			rest += n;
			size -= (size_t) n;
		}
	}
	return REFUSAL_NONE;
}

static enum refusal child_refusal(int status) {
	if (!WIFEXITED(status) || WEXITSTATUS(status) == STATUS_NOT_RUN)
		return REFUSAL_PROMPT_FAILED;
	return WEXITSTATUS(status) == 0 ? REFUSAL_NONE : REFUSAL_DENIED;
}

enum refusal child_wait(struct child *child, uint64_t deadline_usec) {
	uint64_t end_usec = deadline_after_msec(END_MSEC);
	sigset_t set;

	if (end_usec > deadline_usec)
		end_usec = deadline_usec;
	(void) sigemptyset(&set);
	(void) sigaddset(&set, SIGCHLD);
	for (;;) {
		int status;
		pid_t pid = waitpid(child->pid, &status, WNOHANG);
		if (pid > 0) {
			child->pid = -1;
			return child_refusal(status);
		}
		if (pid < 0 && errno != EINTR)
			return REFUSAL_PROMPT_FAILED;

		uint64_t left = deadline_left_usec(end_usec);
		if (left == 0)
			return REFUSAL_PROMPT_TIMEOUT;
		struct timespec timeout = {
			.tv_sec = (time_t) (left / 1000000),
			.tv_nsec = (long) (left % 1000000 * 1000),
		};
		(void) sigtimedwait(&set, NULL, &timeout); /* Signal or not, waitpid tells. */
	}
}
