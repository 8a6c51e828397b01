#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/rule/grant.h"

#define URL "https://r.example/index"
#define START ((uint64_t) 1000000)

struct scene {
	sd_event *event;
	struct grant *grants;
	struct peer cargo;
};

/* A process that does nothing until it is killed. */
static struct peer start_process(void) {
	struct peer peer = {.uid = getuid(), .pid = fork()};

	assert_true(peer.pid >= 0);
	if (peer.pid == 0) {
		/* Nor longer than the test, should that fail. */
		(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void) pause();
	}
	peer.pidfd = (int) syscall(SYS_pidfd_open, peer.pid, 0);
	assert_true(peer.pidfd >= 0);
	return peer;
}

static void end_process(struct peer *peer) {
	if (peer->pid > 0) {
		assert_int_equal(kill(peer->pid, SIGKILL), 0);
		assert_int_equal(waitpid(peer->pid, NULL, 0), peer->pid);
		peer->pid = -1;
	}
	peer_done(peer);
}

static struct peer peer_again(const struct peer *peer) {
	struct peer again = *peer;

	again.pidfd = fcntl(peer->pidfd, F_DUPFD_CLOEXEC, 3);
	assert_true(again.pidfd >= 0);
	return again;
}

static int scene_up(void **state) {
	static struct scene scene;

	scene = (struct scene){0};
	assert_true(sd_event_new(&scene.event) >= 0);
	scene.cargo = start_process();
	*state = &scene;
	return 0;
}

static int scene_down(void **state) {
	struct scene *scene = *state;

	grant_drop_all(&scene->grants);
	assert_null(scene->grants);
	end_process(&scene->cargo);
	sd_event_unref(scene->event);
	return 0;
}

static void add(struct scene *scene, const char *crate, const char *version, int terminal) {
	assert_int_equal(grant_add(&scene->grants, scene->event, URL, "default",
				 peer_again(&scene->cargo), crate, version, terminal, START),
		0);
}

static enum grant_answer use(struct scene *scene, const char *crate, const char *version) {
	int terminal = -1;
	enum grant_answer answer = grant_use(&scene->grants, URL, "default", &scene->cargo, crate,
		version, START + 1, &terminal);

	assert_int_equal(terminal, -1);
	return answer;
}

static void test_grant_is_not_there_before_it_is_given(void **state) {
	struct scene *scene = *state;

	assert_int_equal(use(scene, "a", "1.0.0"), GRANT_NONE);
	assert_int_equal(grant_count(&scene->grants, START), 0);
}

static void test_grant_covers_further_crates_of_the_same_run(void **state) {
	struct scene *scene = *state;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(grant_count(&scene->grants, START), 1);
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_COVERED);
	assert_int_equal(use(scene, "a", "1.0.1"), GRANT_COVERED);
	assert_int_equal(use(scene, "a", "1.0.0-rc.1"), GRANT_COVERED);
	assert_int_equal(use(scene, "a-b", "1.0.0"), GRANT_COVERED);
	assert_int_equal(use(scene, "a-c", "1.0.0"), GRANT_COVERED);
	assert_int_equal(grant_count(&scene->grants, START), 1);
}

static void test_grant_ends_when_its_first_release_is_repeated(void **state) {
	struct scene *scene = *state;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(use(scene, "a", "1.0.0"), GRANT_REPEATED);
	assert_int_equal(grant_count(&scene->grants, START), 0);
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_NONE);
}

static void test_grant_ends_when_a_later_release_is_repeated(void **state) {
	struct scene *scene = *state;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_COVERED);
	assert_int_equal(use(scene, "c", "1.0.0"), GRANT_COVERED);
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_REPEATED);
	assert_int_equal(use(scene, "d", "1.0.0"), GRANT_NONE);
}

static void test_grant_covers_no_other_account_url_or_process(void **state) {
	struct scene *scene = *state;
	struct peer other = start_process();
	int terminal = -1;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(grant_use(&scene->grants, URL, "work", &scene->cargo, "b", "1.0.0", START,
				 &terminal),
		GRANT_NONE);
	assert_int_equal(grant_use(&scene->grants, URL "2", "default", &scene->cargo, "b", "1.0.0",
				 START, &terminal),
		GRANT_NONE);
	assert_int_equal(
		grant_use(&scene->grants, URL, "default", &other, "b", "1.0.0", START, &terminal),
		GRANT_NONE);
	assert_int_equal(terminal, -1);
	/* Nor did the strangers end it. */
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_COVERED);
	end_process(&other);
}

static void test_grant_covers_nobody_whose_process_is_not_pinned(void **state) {
	struct scene *scene = *state;
	struct peer unpinned = {.uid = getuid(), .pid = scene->cargo.pid, .pidfd = -1};
	int terminal = -1;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(grant_use(&scene->grants, URL, "default", &unpinned, "b", "1.0.0", START,
				 &terminal),
		GRANT_NONE);
	assert_true(grant_add(&scene->grants, scene->event, URL, "default", unpinned, "a", "1.0.0",
			    -1, START) < 0);
	assert_int_equal(grant_count(&scene->grants, START), 1);
}

static void test_grant_of_one_run_does_not_end_with_that_of_another(void **state) {
	struct scene *scene = *state;
	struct peer other = start_process();
	int terminal = -1;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(grant_add(&scene->grants, scene->event, URL, "default", peer_again(&other),
				 "a", "1.0.0", -1, START),
		0);
	assert_int_equal(grant_count(&scene->grants, START), 2);
	assert_int_equal(use(scene, "a", "1.0.0"), GRANT_REPEATED);
	assert_int_equal(grant_count(&scene->grants, START), 1);
	assert_int_equal(
		grant_use(&scene->grants, URL, "default", &other, "b", "1.0.0", START, &terminal),
		GRANT_COVERED);
	end_process(&other);
}

static void test_grant_ends_at_its_deadline(void **state) {
	struct scene *scene = *state;
	int terminal = -1;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(grant_use(&scene->grants, URL, "default", &scene->cargo, "b", "1.0.0",
				 START + GRANT_USEC - 1, &terminal),
		GRANT_COVERED);
	assert_int_equal(grant_use(&scene->grants, URL, "default", &scene->cargo, "c", "1.0.0",
				 START + GRANT_USEC, &terminal),
		GRANT_NONE);
	assert_null(scene->grants);
}

static void test_grant_is_for_ten_minutes(void **state) {
	(void) state;
	assert_true(GRANT_USEC == (uint64_t) 600 * 1000 * 1000);
}

static void test_grant_is_over_with_its_process(void **state) {
	struct scene *scene = *state;

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(kill(scene->cargo.pid, SIGKILL), 0);
	assert_int_equal(waitpid(scene->cargo.pid, NULL, 0), scene->cargo.pid);
	/* The loop has not run: asking alone must tell. */
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_NONE);
	assert_null(scene->grants);
	scene->cargo.pid = -1;
}

/* Who waits for the end of the terminal gets it when cargo ends, not ten minutes later. */
static void test_grant_lets_go_of_the_terminal_when_its_process_ends(void **state) {
	struct scene *scene = *state;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	add(scene, "a", "1.0.0", ends[1]);
	assert_int_equal(close(ends[1]), 0);
	struct pollfd reader = {.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&reader, 1, 0), 0); /* The grant holds the other end. */

	assert_int_equal(kill(scene->cargo.pid, SIGKILL), 0);
	assert_int_equal(waitpid(scene->cargo.pid, NULL, 0), scene->cargo.pid);
	scene->cargo.pid = -1;
	assert_true(sd_event_run(scene->event, 10 * 1000 * 1000) > 0);
	assert_null(scene->grants);
	assert_int_equal(poll(&reader, 1, 0), 1);
	assert_true((reader.revents & POLLHUP) != 0);
	assert_int_equal(close(ends[0]), 0);
}

static void test_grant_lends_its_terminal_for_the_notice(void **state) {
	struct scene *scene = *state;
	int ends[2], terminal = -1;
	char byte = 0;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	add(scene, "a", "1.0.0", ends[1]);
	assert_int_equal(close(ends[1]), 0);
	for (int i = 0; i < 2; i++) {
		bool is_repeated = i == 1;

		assert_int_equal(grant_use(&scene->grants, URL, "default", &scene->cargo, "b",
					 "1.0.0", START, &terminal),
			is_repeated ? GRANT_REPEATED : GRANT_COVERED);
		assert_true(terminal >= 0);
		assert_true((fcntl(terminal, F_GETFD) & FD_CLOEXEC) != 0);
		assert_int_equal(write(terminal, "x", 1), 1);
		assert_int_equal(close(terminal), 0);
		assert_int_equal(read(ends[0], &byte, 1), 1);
	}
	/* The caller's was the last one. */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	assert_int_equal(close(ends[0]), 0);
}

/* The answer could not be sent: cargo may ask again, and for nothing else. */
static void test_grant_takes_back_what_did_not_happen(void **state) {
	struct scene *scene = *state;
	struct peer other = start_process();

	add(scene, "a", "1.0.0", -1);
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_COVERED);
	grant_take_back(&scene->grants, URL, "default", &scene->cargo, "c", "1.0.0");
	grant_take_back(&scene->grants, URL, "default", &scene->cargo, "b", "1.0.1");
	grant_take_back(&scene->grants, URL, "work", &scene->cargo, "a", "1.0.0");
	grant_take_back(&scene->grants, URL, "default", &other, "a", "1.0.0");
	grant_take_back(&scene->grants, URL, "default", &scene->cargo, "b", "1.0.0");
	assert_int_equal(use(scene, "b", "1.0.0"), GRANT_COVERED);
	assert_int_equal(use(scene, "a", "1.0.0"), GRANT_REPEATED);
	end_process(&other);
}

static void test_grant_stops_at_a_bound(void **state) {
	struct scene *scene = *state;
	char version[32];
	int n = 0;

	add(scene, "a", "0.0.0", -1);
	do {
		(void) snprintf(version, sizeof(version), "1.0.%d", n++);
		assert_true(n < 5000);
	} while (use(scene, "a", version) == GRANT_COVERED);
	assert_true(n > 500);
	assert_null(scene->grants);
}

static void test_grant_drop_all_drops_all(void **state) {
	struct scene *scene = *state;

	add(scene, "a", "1.0.0", -1);
	add(scene, "b", "1.0.0", -1);
	grant_drop_all(&scene->grants);
	assert_null(scene->grants);
	assert_int_equal(use(scene, "c", "1.0.0"), GRANT_NONE);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, scene_up, scene_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		CASE(test_grant_is_not_there_before_it_is_given),
		CASE(test_grant_covers_further_crates_of_the_same_run),
		CASE(test_grant_ends_when_its_first_release_is_repeated),
		CASE(test_grant_ends_when_a_later_release_is_repeated),
		CASE(test_grant_covers_no_other_account_url_or_process),
		CASE(test_grant_covers_nobody_whose_process_is_not_pinned),
		CASE(test_grant_of_one_run_does_not_end_with_that_of_another),
		CASE(test_grant_ends_at_its_deadline),
		CASE(test_grant_is_for_ten_minutes),
		CASE(test_grant_is_over_with_its_process),
		CASE(test_grant_lets_go_of_the_terminal_when_its_process_ends),
		CASE(test_grant_lends_its_terminal_for_the_notice),
		CASE(test_grant_takes_back_what_did_not_happen),
		CASE(test_grant_stops_at_a_bound),
		CASE(test_grant_drop_all_drops_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
