#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/rule/approval.h"

/* The table of the manual, written a second time: a cell that changes has to change here too. */
static const struct {
	enum act act;
	enum approval passphrase, keyring, memory;
} cells[] = {
	{ACT_NONE, APPROVAL_FREE, APPROVAL_FREE, APPROVAL_FREE},
	{ACT_RELEASE, APPROVAL_PASSPHRASE, APPROVAL_YES_NO, APPROVAL_REFUSED},
	{ACT_LOGIN, APPROVAL_YES_NO, APPROVAL_YES_NO, APPROVAL_FREE},
	{ACT_REPLACE, APPROVAL_PASSPHRASE, APPROVAL_YES_NO, APPROVAL_REFUSED},
	{ACT_LOGOUT, APPROVAL_YES_NO, APPROVAL_YES_NO, APPROVAL_FREE},
	{ACT_LOOSEN, APPROVAL_PASSPHRASE, APPROVAL_YES_NO, APPROVAL_REFUSED},
};

static void test_approval_table_cell_by_cell(void **state) {
	(void) state;
	assert_int_equal(sizeof(cells) / sizeof(cells[0]), _ACT_MAX);
	assert_int_equal(_PROTECTION_MAX, 3);
	for (size_t i = 0; i < _ACT_MAX; i++) {
		enum act act = cells[i].act;

		assert_int_equal(approval_for(act, PROTECTION_PASSPHRASE), cells[i].passphrase);
		assert_int_equal(approval_for(act, PROTECTION_UNATTENDED), cells[i].keyring);
		assert_int_equal(approval_for(act, PROTECTION_MEMORY), cells[i].memory);
	}
}

/* What a program could answer by itself must not be enough to take or replace a token. */
static void test_approval_of_a_secret_needs_what_programs_lack(void **state) {
	(void) state;
	assert_int_equal(approval_for(ACT_RELEASE, PROTECTION_PASSPHRASE), APPROVAL_PASSPHRASE);
	assert_int_equal(approval_for(ACT_REPLACE, PROTECTION_PASSPHRASE), APPROVAL_PASSPHRASE);
	for (int protection = 0; protection < _PROTECTION_MAX; protection++) {
		assert_int_not_equal(
			approval_for(ACT_RELEASE, (enum protection) protection), APPROVAL_FREE);
		assert_int_not_equal(
			approval_for(ACT_REPLACE, (enum protection) protection), APPROVAL_FREE);
	}
}

static void test_approval_promises_level_2_with_a_passphrase_only(void **state) {
	(void) state;
	assert_int_equal(protection_level(PROTECTION_PASSPHRASE), 2);
	assert_int_equal(protection_level(PROTECTION_UNATTENDED), 1);
	assert_int_equal(protection_level(PROTECTION_MEMORY), 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_approval_table_cell_by_cell),
		cmocka_unit_test(test_approval_of_a_secret_needs_what_programs_lack),
		cmocka_unit_test(test_approval_promises_level_2_with_a_passphrase_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
