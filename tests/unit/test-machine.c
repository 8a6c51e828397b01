/* What doctor says of the kernel, with a /proc/sys of our own. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "client/cpub/doctor.h"
#include "client/cpub/finding.h"

static void write_number(
	const char *root, const char *top, const char *folder, const char *name, const char *text) {
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, top);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/%s", root, top, folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/%s/%s", root, top, folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void assert_finding(const struct findings *findings, const char *id,
	enum finding_level level, const char *text, const char *fix) {
	for (size_t i = 0; i < findings->n; i++) {
		if (strcmp(findings->items[i].id, id) != 0)
			continue;
		assert_int_equal(findings->items[i].level, level);
		assert_non_null(strstr(findings->items[i].text, text));
		if (fix)
			assert_string_equal(findings->items[i].fix, fix);
		else
			assert_null(findings->items[i].fix);
		return;
	}
	fail_msg("no %s", id);
}

static const struct {
	const char *scope, *injection;
	enum finding_level scope_level, injection_level;
	const char *scope_text, *injection_text, *scope_fix, *injection_fix;
} rows[] = {
	{"0\n", "1\n", FINDING_WARN, FINDING_WARN, "ptrace_scope=0", "legacy_tiocsti=1",
		"sysctl kernel.yama.ptrace_scope=1 (as root)",
		"sysctl dev.tty.legacy_tiocsti=0 (as root)"},
	{"1\n", "0\n", FINDING_OK, FINDING_OK, "ptrace_scope=1", "legacy_tiocsti=0", NULL, NULL},
	{"3\n", "0\n", FINDING_OK, FINDING_OK, "ptrace_scope=3", "legacy_tiocsti=0", NULL, NULL},
	{NULL, NULL, FINDING_WARN, FINDING_WARN, "no kernel.yama.ptrace_scope",
		"no dev.tty.legacy_tiocsti", "use a kernel with Yama, where you can",
		"use Linux 6.2 or newer, where you can"},
};

static void test_machine_names_what_the_kernel_lets_programs_do(void **state) {
	(void) state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(findings_done) struct findings findings = {0};
		char root[] = "/tmp/test-machine-XXXXXX", remove[64];

		assert_non_null(mkdtemp(root));
		if (rows[i].scope)
			write_number(root, "kernel", "yama", "ptrace_scope", rows[i].scope);
		if (rows[i].injection)
			write_number(root, "dev", "tty", "legacy_tiocsti", rows[i].injection);
		doctor_kernel(&findings, root);
		snprintf(remove, sizeof(remove), "rm -r %s", root);
		assert_int_equal(system(remove), 0);
		assert_finding(&findings, "D11", rows[i].scope_level, rows[i].scope_text,
			rows[i].scope_fix);
		assert_finding(&findings, "D12", rows[i].injection_level, rows[i].injection_text,
			rows[i].injection_fix);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_names_what_the_kernel_lets_programs_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
