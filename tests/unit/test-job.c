/* A job whose worker is the test itself: what it says is what the callback is told. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/fields.h"
#include "agent/job.h"

#define TIMEOUT_USEC (60 * 1000000ull)

/* The worker's end of the socket. */
static int worker_socket = -1;

int child_new(struct agent *agent, enum worker worker, int socket, struct child **ret) {
	(void) agent;
	(void) worker;
	worker_socket = fcntl(socket, F_DUPFD_CLOEXEC, 3);
	*ret = NULL;
	return worker_socket < 0 ? -errno : 0;
}

void child_end(struct child *child) {
	(void) child;
}

const char *child_program(enum worker worker) {
	(void) worker;
	return "worker-test";
}

/* What the callback was told. */
struct told {
	int n_calls;
	enum refusal refusal;
	bool has_answer;
	uint64_t date;
};

static void on_done(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct told *told = userdata;

	(void) detail;
	told->n_calls++;
	told->refusal = refusal;
	told->has_answer = answer;
	if (answer)
		(void) fields_get_u64(answer, FIELD_DATE, &told->date); /* Not always there. */
}

static void say(enum frame_type type, const struct fields *fields) {
	assert_int_equal(frame_send(worker_socket, type, fields, NULL, 0), 0);
}

static void take_task(void) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	int fds[FRAME_FDS_MAX];
	enum frame_type type;
	size_t n_fds;

	assert_int_equal(frame_receive(worker_socket, &type, &task, fds, &n_fds), 1);
	assert_int_equal(type, FRAME_TASK);
}

static void answer(uint64_t refusal) {
	_cleanup_(fields_freep) struct fields *fields = NULL;

	assert_int_equal(fields_new(&fields), 0);
	assert_int_equal(fields_put_u64(fields, FIELD_REFUSAL, refusal), 0);
	assert_int_equal(fields_put_u64(fields, FIELD_DATE, 1700000000), 0);
	say(FRAME_ANSWER, fields);
}

static void answer_well(void) {
	answer(REFUSAL_NONE);
}

static void answer_refusal(void) {
	answer(REFUSAL_AUTH_REQUIRED);
}

static void answer_nonsense(void) {
	answer(_REFUSAL_MAX);
}

static void answer_twice(void) {
	answer(REFUSAL_AUTH_REQUIRED);
	answer(REFUSAL_AUTH_REQUIRED);
}

static void answer_nothing(void) {
}

static struct told run(void (*work)(void), uint64_t timeout_usec, bool hangs) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	_cleanup_(job_freep) struct job *job = NULL;
	struct agent agent = {0};
	struct told told = {0};

	assert_true(sd_event_new(&agent.event) >= 0);
	assert_int_equal(fields_new(&task), 0);
	assert_int_equal(job_new(&agent, WORKER_NET, TAKE_PTR(task), NULL, 0, timeout_usec, on_done,
				 &told, &job),
		0);
	say(FRAME_READY, NULL);
	assert_true(sd_event_run(agent.event, UINT64_MAX) > 0);
	take_task();
	work();
	if (!hangs)
		worker_socket = fd_close(worker_socket);
	while (told.n_calls == 0)
		assert_true(sd_event_run(agent.event, UINT64_MAX) >= 0);
	while (sd_event_run(agent.event, 0) > 0)
		;
	worker_socket = fd_close(worker_socket);
	job = job_free(job);
	sd_event_unref(agent.event);
	assert_int_equal(told.n_calls, 1);
	return told;
}

static void test_job_tells_what_a_worker_answered(void **state) {
	const struct told told = run(answer_well, TIMEOUT_USEC, false);

	(void) state;
	assert_int_equal(told.refusal, REFUSAL_NONE);
	assert_int_equal(told.date, 1700000000);
}

static void test_job_tells_what_a_worker_said_beside_its_refusal(void **state) {
	const struct told told = run(answer_refusal, TIMEOUT_USEC, false);

	(void) state;
	assert_int_equal(told.refusal, REFUSAL_AUTH_REQUIRED);
	assert_int_equal(told.date, 1700000000);
}

static void test_job_tells_nothing_beside_a_refusal_of_its_own(void **state) {
	static void (*const works[])(void) = {answer_nonsense, answer_twice, answer_nothing};

	(void) state;
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
		const struct told told = run(works[i], TIMEOUT_USEC, false);

		assert_int_equal(told.refusal, REFUSAL_WORKER_FAILED);
		assert_false(told.has_answer);
	}
}

/* It has answered, but not ended. */
static void test_job_tells_nothing_beside_a_deadline(void **state) {
	const struct told told = run(answer_refusal, 50000, true);

	(void) state;
	assert_int_equal(told.refusal, REFUSAL_WORKER_TIMEOUT);
	assert_false(told.has_answer);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job_tells_what_a_worker_answered),
		cmocka_unit_test(test_job_tells_what_a_worker_said_beside_its_refusal),
		cmocka_unit_test(test_job_tells_nothing_beside_a_refusal_of_its_own),
		cmocka_unit_test(test_job_tells_nothing_beside_a_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
