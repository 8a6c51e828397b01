#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/journal.h"

static void test_journal_field_has_its_length_in_front(void **state) {
	static const char expected[] = "CPUB_OP\n\4\0\0\0\0\0\0\0lock\n";
	struct journal_entry entry;

	(void) state;
	journal_begin(&entry);
	journal_add(&entry, "CPUB_OP", "lock");
	journal_add(&entry, "CPUB_CRATE", NULL);
	assert_int_equal(entry.size, sizeof(expected) - 1);
	assert_memory_equal(entry.bytes, expected, sizeof(expected) - 1);
}

/* journald takes exactly so many bytes as the value, whatever they look like. */
static void test_journal_value_cannot_begin_another_field(void **state) {
	static const char value[] = "demo\nCPUB_DECISION=done\n";
	struct journal_entry entry;

	(void) state;
	journal_begin(&entry);
	journal_add(&entry, "CPUB_CRATE", value);
	assert_int_equal(entry.bytes[strlen("CPUB_CRATE\n")], strlen(value));
	assert_memory_equal(entry.bytes + strlen("CPUB_CRATE\n") + 8, value, strlen(value));
	assert_int_equal(entry.size, strlen("CPUB_CRATE\n") + 8 + strlen(value) + 1);
}

static void test_journal_entry_without_room_is_not_sent(void **state) {
	static char value[JOURNAL_ENTRY_MAX];
	struct journal_entry entry;

	(void) state;
	memset(value, 'x', sizeof(value) - 1);
	journal_begin(&entry);
	journal_add(&entry, "A", "a");
	size_t before = entry.size;
	journal_add(&entry, "B", value);
	assert_int_equal(entry.size, before);
	assert_int_equal(journal_send(&entry), -EMSGSIZE);

	/* The longest one that has room fills it to the last byte. */
	journal_begin(&entry);
	value[JOURNAL_ENTRY_MAX - strlen("B") - 10] = '\0';
	journal_add(&entry, "B", value);
	assert_false(entry.is_cut);
	assert_int_equal(entry.size, JOURNAL_ENTRY_MAX);
}

static void assert_stream(const char *text, bool expected) {
	assert_int_equal(setenv("JOURNAL_STREAM", text, 1), 0);
	assert_int_equal(journal_has_stderr(), expected);
}

static void test_journal_is_known_by_the_device_and_inode_of_stderr(void **state) {
	struct stat status;
	char text[64];

	(void) state;
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_false(journal_has_stderr());
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	(void) snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t) status.st_dev,
		(uintmax_t) status.st_ino);
	assert_stream(text, true);
	(void) strcat(text, "0");
	assert_stream(text, false);
	assert_stream("", false);
	assert_stream("1", false);
	assert_stream("1:", false);
	assert_stream(":1", false);
	(void) snprintf(text, sizeof(text), "%ju:%ju ", (uintmax_t) status.st_dev,
		(uintmax_t) status.st_ino);
	assert_stream(text, false);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal_field_has_its_length_in_front),
		cmocka_unit_test(test_journal_value_cannot_begin_another_field),
		cmocka_unit_test(test_journal_entry_without_room_is_not_sent),
		cmocka_unit_test(test_journal_is_known_by_the_device_and_inode_of_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
