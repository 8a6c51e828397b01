/* What registries tell of the time, and which challenges were signed: on clocks of ours. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "agent/challenge_book.h"
#include "agent/clock.h"

#define URL "sparse+https://r.example/index"
#define NOON 1800000000

/* The clock that people set, and the one that nobody does. */
static int64_t wall = NOON;
static uint64_t since_boot_usec;

time_t __wrap_time(time_t *ret);
uint64_t __wrap_agent_now_usec(const struct agent *agent);

time_t __wrap_time(time_t *ret) {
	if (ret)
		*ret = (time_t) wall;
	return (time_t) wall;
}

uint64_t __wrap_agent_now_usec(const struct agent *agent) {
	(void) agent;
	return since_boot_usec;
}

static void pass(unsigned seconds) {
	wall += seconds;
	since_boot_usec += seconds * USEC_PER_SEC;
}

static int begin(void **state) {
	static struct agent agent;

	agent = (struct agent){0};
	wall = NOON;
	since_boot_usec = 1000 * USEC_PER_SEC;
	*state = &agent;
	return 0;
}

static int end(void **state) {
	struct agent *agent = *state;

	clocks_done(&agent->clocks);
	return 0;
}

static int64_t ahead_of(struct agent *agent, const char *url) {
	int64_t ahead = 12345;
	bool is_of_api;

	assert_true(clock_is_known(agent, url, "default", &ahead, &is_of_api));
	return ahead;
}

static void test_clock_is_not_known_before_a_registry_told(void **state) {
	int64_t ahead = 7;
	bool is_of_api;

	assert_false(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	clock_learn(*state, "sparse+https://other.example", "default", NOON, false);
	assert_false(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	assert_int_equal(ahead, 7);
}

static void test_clock_tells_how_far_ahead_the_registry_is(void **state) {
	clock_learn(*state, URL, "default", NOON + 400, false);
	assert_int_equal(ahead_of(*state, URL), 400);
	pass(100);
	assert_int_equal(ahead_of(*state, URL), 400);
	clock_learn(*state, URL, "default", NOON + 100 - 61, false);
	assert_int_equal(ahead_of(*state, URL), -61);
}

static void test_clock_that_is_set_right_counts_at_once(void **state) {
	clock_learn(*state, URL, "default", NOON + 4000, false);
	wall += 4000;
	assert_int_equal(ahead_of(*state, URL), 0);
	wall -= 90000;
	assert_int_equal(ahead_of(*state, URL), 90000);
}

static void test_clock_is_believed_for_ten_minutes(void **state) {
	int64_t ahead;
	bool is_of_api;

	clock_learn(*state, URL, "default", NOON, false);
	pass(CLOCK_TOLD_SEC);
	assert_true(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	pass(1);
	assert_false(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
}

static void test_answer_without_a_date_tells_nothing(void **state) {
	int64_t ahead;
	bool is_of_api;

	clock_learn(*state, URL, "default", 0, false);
	assert_false(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	clock_learn(*state, URL, "default", NOON + 70, false);
	clock_learn(*state, URL, "default", 0, false);
	assert_int_equal(ahead_of(*state, URL), 70);
}

static void test_clock_says_whether_the_api_told_it_last(void **state) {
	int64_t ahead;
	bool is_of_api = false;

	clock_learn(*state, URL, "default", NOON, true);
	assert_true(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	assert_true(is_of_api);
	clock_learn(*state, URL, "default", NOON, false);
	assert_true(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	assert_false(is_of_api);
}

static void test_of_more_registries_than_there_are_places_the_oldest_goes(void **state) {
	char url[64];
	int64_t ahead;
	bool is_of_api;

	for (unsigned i = 0; i <= CLOCKS_MAX; i++) {
		(void) snprintf(url, sizeof(url), "sparse+https://r%u.example", i);
		clock_learn(*state, url, "default", (uint64_t) wall + i, false);
		pass(1);
	}
	assert_false(clock_is_known(*state, "sparse+https://r0.example", "default", &ahead, &is_of_api));
	assert_int_equal(ahead_of(*state, "sparse+https://r1.example"), 1);
	assert_int_equal(ahead_of(*state, url), CLOCKS_MAX);
}

static void test_date_that_no_clock_shows_tells_nothing(void **state) {
	const uint64_t last = UINT64_C(253402300799); /* Of the year 9999. */
	int64_t ahead;
	bool is_of_api;

	clock_learn(*state, URL, "default", last + 1, false);
	clock_learn(*state, URL, "default", INT64_MAX, false);
	clock_learn(*state, URL, "default", UINT64_MAX, false);
	assert_false(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	clock_learn(*state, URL, "default", last, false);
	assert_int_equal(ahead_of(*state, URL), (int64_t) last - NOON);
}

/* Anybody can make an account with a way of its own to that URL. */
static void test_each_account_of_a_registry_has_a_clock_of_its_own(void **state) {
	int64_t ahead;
	bool is_of_api;

	clock_learn(*state, URL, "stray", NOON + 7200, false);
	assert_false(clock_is_known(*state, URL, "default", &ahead, &is_of_api));
	clock_learn(*state, URL, "default", NOON + 5, false);
	assert_int_equal(ahead_of(*state, URL), 5);
	assert_true(clock_is_known(*state, URL, "stray", &ahead, &is_of_api));
	assert_int_equal(ahead, 7200);
}

static void test_credential_for_reads_has_the_clock_of_its_account(void **state) {
	int64_t ahead;
	bool is_of_api;

	clock_learn(*state, URL, "default/read", NOON + 61, false);
	assert_int_equal(ahead_of(*state, URL), 61);
	assert_true(clock_is_known(*state, URL, "default/read", &ahead, &is_of_api));
	assert_false(clock_is_known(*state, URL, "defaul", &ahead, &is_of_api));
	assert_false(clock_is_known(*state, URL, "default2", &ahead, &is_of_api));
}

static int use_for_act(struct agent *agent, const char *url, const char *challenge) {
	return challenge_book_use(
		&agent->act_challenges, &agent->read_challenges, url, challenge);
}

static int use_for_read(struct agent *agent, const char *url, const char *challenge) {
	return challenge_book_use(
		&agent->read_challenges, &agent->act_challenges, url, challenge);
}

static void test_each_challenge_is_used_once(void **state) {
	assert_int_equal(use_for_act(*state, URL, "abc"), 0);
	assert_int_equal(use_for_act(*state, URL, "abd"), 0);
	assert_int_equal(use_for_act(*state, URL, "abc"), -EEXIST);
	assert_int_equal(use_for_act(*state, URL, "abd"), -EEXIST);
}

static void test_challenge_of_a_read_is_none_for_an_act_nor_the_other_way_round(void **state) {
	assert_int_equal(use_for_act(*state, URL, "abc"), 0);
	assert_int_equal(use_for_read(*state, URL, "abc"), -EEXIST);
	assert_int_equal(use_for_read(*state, URL, "abd"), 0);
	assert_int_equal(use_for_act(*state, URL, "abd"), -EEXIST);
}

static void test_the_same_challenge_of_another_registry_is_another(void **state) {
	assert_int_equal(use_for_act(*state, URL, "abc"), 0);
	assert_int_equal(use_for_act(*state, URL "/x", "abc"), 0);
}

static void test_book_that_is_full_forgets_the_oldest(void **state) {
	char challenge[32];

	for (unsigned i = 0; i <= CHALLENGES_MAX; i++) {
		(void) snprintf(challenge, sizeof(challenge), "c%u", i);
		assert_int_equal(use_for_act(*state, URL, challenge), 0);
	}
	assert_int_equal(use_for_act(*state, URL, challenge), -EEXIST);
	assert_int_equal(use_for_act(*state, URL, "c1"), -EEXIST);
	assert_int_equal(use_for_act(*state, URL, "c0"), 0);
}

/* Anybody may have any number of reads signed. */
static void test_no_number_of_reads_makes_an_acts_challenge_be_forgotten(void **state) {
	char challenge[32];

	assert_int_equal(use_for_act(*state, URL, "abc"), 0);
	for (unsigned i = 0; i < 2 * CHALLENGES_MAX; i++) {
		(void) snprintf(challenge, sizeof(challenge), "c%u", i);
		assert_int_equal(use_for_read(*state, URL, challenge), 0);
	}
	assert_int_equal(use_for_act(*state, URL, "abc"), -EEXIST);
	assert_int_equal(use_for_read(*state, URL, "abc"), -EEXIST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_clock_is_not_known_before_a_registry_told),
		TEST(test_clock_tells_how_far_ahead_the_registry_is),
		TEST(test_clock_that_is_set_right_counts_at_once),
		TEST(test_clock_is_believed_for_ten_minutes),
		TEST(test_answer_without_a_date_tells_nothing),
		TEST(test_clock_says_whether_the_api_told_it_last),
		TEST(test_of_more_registries_than_there_are_places_the_oldest_goes),
		TEST(test_date_that_no_clock_shows_tells_nothing),
		TEST(test_each_account_of_a_registry_has_a_clock_of_its_own),
		TEST(test_credential_for_reads_has_the_clock_of_its_account),
		TEST(test_each_challenge_is_used_once),
		TEST(test_challenge_of_a_read_is_none_for_an_act_nor_the_other_way_round),
		TEST(test_the_same_challenge_of_another_registry_is_another),
		TEST(test_book_that_is_full_forgets_the_oldest),
		TEST(test_no_number_of_reads_makes_an_acts_challenge_be_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
