#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/work/sandbox.h"
#include "protocol/harden.h"

#if !SANDBOX_IS_BUILT
/*
 * Nobody searches a worker for leaks: it ends when it has answered, and the search, which takes
 * longer than its work, would only be one more thing that dies with it.
 */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
	return 1;
}
#endif

/* What the core gave the worker to do. */
struct worker_task {
	struct fields *fields;
	int fds[FRAME_FDS_MAX];
	size_t n_fds;
};

static void worker_task_done(struct worker_task *task) {
	task->fields = fields_free(task->fields);
	for (size_t i = 0; i < task->n_fds; i++)
		(void) fd_close(task->fds[i]);
	task->n_fds = 0;
}

/* Says on standard error, which is the agent's, why the worker ends; the value is main's. */
static int worker_fail(const char *what, int error) {
	(void) fprintf(
		stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(-error));
	return 1;
}

static bool worker_has_socket(void) {
	struct stat status;

	return fstat(WORKER_SOCKET, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Whatever the parent had set: a closed socket is an error value, and SIGTERM ends us. */
static void worker_reset_signals(void) {
	sigset_t none;

	(void) signal(SIGPIPE, SIG_IGN); /* These two cannot fail for signals that exist. */
	(void) signal(SIGTERM, SIG_DFL);
	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Nothing but 0 to 3 stays open. All descriptors of the core are close-on-exec;
 * this is for those that a library or somebody above the core forgot.
 */
static int worker_close_rest(void) {
	if (fcntl(WORKER_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (close_range(WORKER_SOCKET + 1, ~0u, 0) < 0)
		return -errno;
	return 0;
}

static int worker_prepare(void) {
	worker_reset_signals();

	int r = worker_close_rest();
	if (r < 0)
		return r;
	return harden_check_untraced();
}

/* Says "ready" and waits for the task. 0 and *ret, or a negative errno. */
static int worker_receive(struct worker_task *ret) {
	struct worker_task task = {0};
	enum frame_type type;

	int r = frame_send(WORKER_SOCKET, FRAME_READY, NULL, NULL, 0);
	if (r < 0)
		return r;
	r = frame_receive(WORKER_SOCKET, &type, &task.fields, task.fds, &task.n_fds);
	if (r < 0)
		return r;
	if (r == 0)
		return -ECONNRESET;
	if (type != FRAME_TASK) {
		worker_task_done(&task);
		return -EBADMSG;
	}
	*ret = task;
	return 0;
}

/*
 * What a worker put into its answer before it failed does not go out, but for these two: what a
 * server says of the time, and wants to hear with the next request, is good whatever it refuses,
 * and who is to ask again better needs it.
 */
static int worker_keep(const struct fields *made, struct fields *answer) {
	static const uint8_t kept[] = {FIELD_DATE, FIELD_CHALLENGE};

	for (size_t i = 0; i < sizeof(kept); i++) {
		const uint8_t *bytes;
		size_t size;

		int r = fields_get(made, kept[i], &bytes, &size);
		if (r == 0)
			r = fields_put(answer, kept[i], bytes, size);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int worker_refuse(enum refusal refusal, const char *detail, const struct fields *made) {
	_cleanup_(fields_freep) struct fields *answer = NULL;

	int r = fields_new(&answer);
	if (r < 0)
		return r;
	r = fields_put_u64(answer, FIELD_REFUSAL, (uint64_t) refusal);
	if (r < 0)
		return r;
	r = fields_put_string(answer, FIELD_DETAIL, detail);
	if (r < 0)
		return r;
	r = worker_keep(made, answer);
	if (r < 0)
		return r;
	return frame_send(WORKER_SOCKET, FRAME_ANSWER, answer, NULL, 0);
}

static int worker_work(worker_function work, struct worker_task *task) {
	_cleanup_(fields_freep) struct fields *answer = NULL;
	_cleanup_(freep) char *detail = NULL;

	int r = fields_new(&answer);
	if (r < 0)
		return r;
	enum refusal refusal = work(task->fields, task->fds, task->n_fds, answer, &detail);
	if (refusal != REFUSAL_NONE)
		return worker_refuse(refusal, detail, answer);
	return frame_send(WORKER_SOCKET, FRAME_ANSWER, answer, NULL, 0);
}

int worker_tell(const struct fields *progress) {
	return frame_send(WORKER_SOCKET, FRAME_PROGRESS, progress, NULL, 0);
}

void worker_tell_progress(void) {
	(void) worker_tell(NULL); /* The answer tells. */
}

int worker_run(worker_function work) {
	int r = harden_process();
	if (r < 0)
		return worker_fail("cannot harden the process", r);
	if (!worker_has_socket()) {
		(void) fprintf(stderr,
			"%s: cpub-agentd runs this program; it does nothing by hand\n",
			program_invocation_short_name);
		return 2;
	}
	r = worker_prepare();
	if (r < 0)
		return worker_fail("cannot prepare", r);

	_cleanup_(worker_task_done) struct worker_task task = {0};
	r = worker_receive(&task);
	if (r < 0)
		return worker_fail("no task came", r);
	r = worker_work(work, &task);
	if (r < 0)
		return worker_fail("cannot answer", r);
	return 0;
}
