/*
 * The witness alone, on a clock of ours: what its timers, questions and records
 * would do is played here, so that ten minutes pass at once.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "agent/alarm.h"
#include "agent/audit.h"
#include "agent/history.h"
#include "agent/log.h"
#include "agent/route.h"
#include "agent/witness.h"
#include "protocol/secret.h"

#define URL "sparse+https://r.example/index"
#define APPROVED "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
#define ANOTHER "1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e"
#define START ((uint64_t) 1000 * USEC_PER_SEC)
#define TEN_MINUTES ((uint64_t) 600 * USEC_PER_SEC)

struct sd_event_source {
	bool is_timer, is_on;
	uint64_t when;
	sd_event_time_handler_t on_time;
	sd_event_io_handler_t on_io;
	void *userdata;
};

struct history {
	history_done_t done;
	void *userdata;
};

/* What was done in the one test that runs. */
static struct scene {
	struct agent agent;
	uint64_t now;
	sd_event_source *timer, *cargo_end;
	size_t n_sources;
	struct history *asked;
	size_t n_asked;
	bool had_token; /* the last question */
	int route_error, ask_error;
	size_t n_written, n_alarms, n_logged;
	enum refusal written;
	char listed[65];
	int alarm_terminal;
} scene;

/* sd-event, as far as a witness needs it. */

static sd_event_source *source_new(void *userdata) {
	sd_event_source *source = calloc(1, sizeof(*source));

	assert_non_null(source);
	source->is_on = true;
	source->userdata = userdata;
	scene.n_sources++;
	return source;
}

int sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t handler, void *userdata) {
	(void) event;
	(void) accuracy;
	/* One that goes on while the machine sleeps. */
	assert_int_equal(clock, CLOCK_BOOTTIME);
	assert_null(scene.timer);
	scene.timer = *ret = source_new(userdata);
	scene.timer->is_timer = true;
	scene.timer->when = usec;
	scene.timer->on_time = handler;
	return 0;
}

int sd_event_add_io(sd_event *event, sd_event_source **ret, int fd, uint32_t events,
	sd_event_io_handler_t handler, void *userdata) {
	(void) event;
	(void) events;
	assert_true(fd >= 0);
	scene.cargo_end = *ret = source_new(userdata);
	scene.cargo_end->on_io = handler;
	return 0;
}

int sd_event_source_set_time(sd_event_source *source, uint64_t usec) {
	source->when = usec;
	return 0;
}

int sd_event_source_set_enabled(sd_event_source *source, int enabled) {
	source->is_on = enabled != SD_EVENT_OFF;
	return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *source) {
	if (!source)
		return NULL;
	if (source == scene.timer)
		scene.timer = NULL;
	if (source == scene.cargo_end)
		scene.cargo_end = NULL;
	scene.n_sources--;
	free(source);
	return NULL;
}

uint64_t agent_now_usec(const struct agent *agent) {
	(void) agent;
	return scene.now;
}

/* What the witness asks, and where it tells. */

int route_new(const struct store *store, const char *url, const char *name, struct route **ret) {
	struct route *route;

	(void) store;
	assert_string_equal(url, URL);
	assert_string_equal(name, "default");
	if (scene.route_error < 0)
		return scene.route_error;
	route = calloc(1, sizeof(*route));
	assert_non_null(route);
	assert_int_equal(secret_new(8, &route->token), 0);
	*ret = route;
	return 0;
}

void route_drop_token(struct route *route) {
	route->token = secret_free(route->token);
}

struct route *route_free(struct route *route) {
	if (route)
		secret_free(route->token);
	free(route);
	return NULL;
}

int history_new(struct agent *agent, const struct route *route, const char *crate,
	const char *version, history_done_t done, void *userdata, struct history **ret) {
	(void) agent;
	assert_null(scene.asked);
	assert_string_equal(crate, "demo");
	assert_string_equal(version, "0.1.0");
	if (scene.ask_error != 0)
		return scene.ask_error;
	scene.had_token = route->token != NULL;
	scene.n_asked++;
	scene.asked = *ret = calloc(1, sizeof(**ret));
	assert_non_null(scene.asked);
	**ret = (struct history){done, userdata};
	return 0;
}

struct history *history_free(struct history *history) {
	if (history) {
		assert_ptr_equal(history, scene.asked);
		scene.asked = NULL;
	}
	free(history);
	return NULL;
}

int audit_write(struct audit *audit, const struct audit_entry *entry) {
	(void) audit;
	assert_string_equal(entry->op, "published");
	assert_string_equal(entry->version, "0.1.0");
	scene.n_written++;
	scene.written = entry->refusal;
	assert_int_equal(strlen(entry->checksum), 64);
	memcpy(scene.listed, entry->checksum, 65);
	return 0;
}

void alarm_raise(struct agent *agent, int terminal, enum refusal refusal, const char *url,
	const char *crate, const char *version) {
	(void) agent;
	(void) url;
	(void) crate;
	(void) version;
	assert_int_equal(refusal, REFUSAL_CHECKSUM_DIFFERS);
	scene.n_alarms++;
	scene.alarm_terminal = terminal;
}

void log_line(enum log_level level, const char *format, ...) {
	(void) level;
	(void) format;
	scene.n_logged++;
}

/* Playing it. */

static int scene_up(void **state) {
	(void) state;
	scene = (struct scene){.now = START, .alarm_terminal = -2};
	return 0;
}

/* Whatever happened, the witness ends without leaving anything. */
static int scene_down(void **state) {
	(void) state;
	while (scene.agent.witnesses)
		witness_free(scene.agent.witnesses);
	assert_int_equal(scene.agent.n_witnesses, 0);
	assert_int_equal(scene.n_sources, 0);
	assert_null(scene.asked);
	return 0;
}

static int begin(const char *url, int pidfd, int terminal) {
	const struct release release = {url, "default", "demo", "0.1.0", APPROVED};
	const struct peer cargo = {.pid = 1, .pidfd = pidfd};

	return witness_new(&scene.agent, &release, &cargo, terminal);
}

/* The time comes for the next look. */
static void look(void) {
	sd_event_source *timer = scene.timer;

	assert_non_null(timer);
	assert_true(timer->is_on && timer->when > scene.now);
	scene.now = timer->when;
	timer->is_on = false; /* Once, as sd-event does. */
	assert_int_equal(timer->on_time(timer, scene.now, timer->userdata), 0);
}

static void answer(const char *checksum) {
	char text[65];
	struct history_answer told = {.is_known = true, .is_new = !checksum};

	assert_non_null(scene.asked);
	if (checksum)
		told.checksum = memcpy(text, checksum, sizeof(text));
	scene.asked->done(&told, scene.asked->userdata);
}

static void test_witness_writes_down_what_was_approved(void **state) {
	(void) state;
	assert_int_equal(begin(URL, -1, -1), 0);
	assert_int_equal(scene.n_asked, 0); /* cargo has not sent anything yet. */
	look();
	assert_true(scene.had_token);
	answer(APPROVED);
	assert_int_equal(scene.n_written, 1);
	assert_int_equal(scene.written, REFUSAL_NONE);
	assert_string_equal(scene.listed, APPROVED);
	assert_int_equal(scene.n_alarms, 0);
	assert_null(scene.agent.witnesses);
}

static void test_witness_raises_an_alarm_for_another_checksum(void **state) {
	(void) state;
	assert_int_equal(begin(URL, -1, -1), 0);
	look();
	answer(NULL);
	assert_int_equal(scene.n_written, 0);
	look();
	answer(ANOTHER);
	assert_int_equal(scene.n_written, 1);
	assert_int_equal(scene.written, REFUSAL_CHECKSUM_DIFFERS);
	assert_string_equal(scene.listed, ANOTHER);
	assert_int_equal(scene.n_alarms, 1);
	assert_int_equal(scene.alarm_terminal, -1);
	assert_null(scene.agent.witnesses);
}

static void test_witness_ends_by_itself_after_ten_minutes(void **state) {
	size_t n_in_first_minute = 0;

	(void) state;
	assert_int_equal(begin(URL, -1, -1), 0);
	while (scene.agent.witnesses) {
		look();
		assert_true(scene.now <= START + TEN_MINUTES);
		if (scene.now <= START + 60 * USEC_PER_SEC)
			n_in_first_minute++;
		answer(NULL);
	}
	assert_int_equal(scene.now, START + TEN_MINUTES);
	/* While cargo itself waits for the index it looks often, and never all the time. */
	assert_in_range(n_in_first_minute, 5, 20);
	assert_in_range(scene.n_asked, n_in_first_minute + 2, 30);
	assert_int_equal(scene.n_logged, 1);
	assert_int_equal(scene.n_written, 0);
	assert_int_equal(scene.n_alarms, 0);
}

static void test_witness_ends_as_well_where_it_can_never_ask(void **state) {
	(void) state;
	scene.ask_error = -EAGAIN;
	assert_int_equal(begin(URL, -1, -1), 0);
	while (scene.agent.witnesses)
		look();
	assert_int_equal(scene.now, START + TEN_MINUTES);
	assert_int_equal(scene.n_asked, 0);
}

static void test_witness_asks_without_a_token_while_the_store_is_locked(void **state) {
	(void) state;
	assert_int_equal(begin(URL, -1, -1), 0);
	scene.route_error = -ENOKEY;
	look();
	assert_false(scene.had_token);
	answer(NULL);
	scene.route_error = 0;
	look();
	assert_true(scene.had_token);
	answer(APPROVED);
	assert_int_equal(scene.written, REFUSAL_NONE);
}

static void test_lock_ends_a_look_and_not_the_witness(void **state) {
	(void) state;
	assert_int_equal(begin(URL, -1, -1), 0);
	witness_lock_all(&scene.agent); /* Between looks there is nothing to end. */
	look();
	witness_lock_all(&scene.agent);
	assert_null(scene.asked);
	assert_int_equal(scene.agent.n_witnesses, 1);
	look();
	answer(ANOTHER);
	assert_int_equal(scene.n_alarms, 1);
}

static void test_lock_during_the_last_look_ends_the_witness(void **state) {
	(void) state;
	assert_int_equal(begin(URL, -1, -1), 0);
	while (scene.now < START + TEN_MINUTES) {
		look();
		if (scene.now < START + TEN_MINUTES)
			answer(NULL);
	}
	witness_lock_all(&scene.agent);
	assert_null(scene.agent.witnesses);
	assert_int_equal(scene.n_logged, 1);
}

static void test_witness_lets_the_terminal_go_when_cargo_ends(void **state) {
	int pidfd = eventfd(0, EFD_CLOEXEC), terminal[2];
	char byte;

	(void) state;
	assert_true(pidfd >= 0);
	assert_int_equal(pipe2(terminal, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(begin(URL, pidfd, terminal[1]), 0);
	assert_int_equal(close(terminal[1]), 0);
	assert_int_equal(close(pidfd), 0); /* It has its own. */
	assert_int_equal(read(terminal[0], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);

	assert_non_null(scene.cargo_end);
	assert_int_equal(scene.cargo_end->on_io(scene.cargo_end, -1, 0, scene.cargo_end->userdata), 0);
	assert_int_equal(read(terminal[0], &byte, 1), 0); /* The end. */
	assert_null(scene.cargo_end);
	look();
	answer(ANOTHER);
	assert_int_equal(scene.n_alarms, 1);
	assert_int_equal(scene.alarm_terminal, -1);
	assert_int_equal(close(terminal[0]), 0);
}

static void test_alarm_is_told_on_the_terminal_while_cargo_runs(void **state) {
	int pidfd = eventfd(0, EFD_CLOEXEC), terminal[2];

	(void) state;
	assert_int_equal(pipe2(terminal, O_CLOEXEC), 0);
	assert_int_equal(begin(URL, pidfd, terminal[1]), 0);
	look();
	answer(ANOTHER);
	assert_true(scene.alarm_terminal >= 0);
	assert_int_equal(close(pidfd), 0);
	assert_int_equal(close(terminal[0]), 0);
	assert_int_equal(close(terminal[1]), 0);
}

/* Nobody would tell when to let go of it. */
static void test_witness_keeps_no_terminal_without_a_pidfd(void **state) {
	int terminal[2];
	char byte;

	(void) state;
	assert_int_equal(pipe2(terminal, O_CLOEXEC), 0);
	assert_int_equal(begin(URL, -1, terminal[1]), 0);
	assert_int_equal(close(terminal[1]), 0);
	assert_int_equal(read(terminal[0], &byte, 1), 0);
	assert_int_equal(close(terminal[0]), 0);
}

static void test_git_index_has_no_witness(void **state) {
	(void) state;
	assert_int_equal(begin("https://r.example/index", -1, -1), 0);
	assert_null(scene.agent.witnesses);
}

static void test_more_witnesses_than_are_allowed_are_refused(void **state) {
	(void) state;
	for (size_t i = 0; i < WITNESSES_MAX; i++) {
		assert_int_equal(begin(URL, -1, -1), 0);
		scene.timer = NULL; /* Each has its own; none comes to its time here. */
	}
	assert_int_equal(begin(URL, -1, -1), -EBUSY);
	assert_int_equal(scene.agent.n_witnesses, WITNESSES_MAX);
	witness_free(scene.agent.witnesses); /* Room for one more. */
	assert_int_equal(begin(URL, -1, -1), 0);
}

#define scene_test(f) cmocka_unit_test_setup_teardown(f, scene_up, scene_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		scene_test(test_witness_writes_down_what_was_approved),
		scene_test(test_witness_raises_an_alarm_for_another_checksum),
		scene_test(test_witness_ends_by_itself_after_ten_minutes),
		scene_test(test_witness_ends_as_well_where_it_can_never_ask),
		scene_test(test_witness_asks_without_a_token_while_the_store_is_locked),
		scene_test(test_lock_ends_a_look_and_not_the_witness),
		scene_test(test_lock_during_the_last_look_ends_the_witness),
		scene_test(test_witness_lets_the_terminal_go_when_cargo_ends),
		scene_test(test_alarm_is_told_on_the_terminal_while_cargo_runs),
		scene_test(test_witness_keeps_no_terminal_without_a_pidfd),
		scene_test(test_git_index_has_no_witness),
		scene_test(test_more_witnesses_than_are_allowed_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
