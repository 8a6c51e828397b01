/*
 * What other programs can reach: our folders and files, cargo's memory, the
 * terminal. Looked at from outside; nothing is opened but what the kernel says of itself.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"
#include "finding.h"
#include "protocol/endpoint.h"
#include "small_file.h"

/* What is wrong with it, or NULL; *ret_is_there is false for what is not there. */
static const char *look(const char *path, mode_t kind, bool *ret_is_there) {
	struct stat status;

	*ret_is_there = lstat(path, &status) == 0;
	if (!*ret_is_there)
		return errno == ENOENT || errno == ENOTDIR ? NULL : "cannot be looked at";
	if (S_ISLNK(status.st_mode))
		return "is a symlink";
	if ((status.st_mode & S_IFMT) != kind)
		return "is something else than it should be";
	if (status.st_uid != geteuid())
		return "belongs to somebody else";
	return status.st_mode & 0077 ? "is open to others" : NULL;
}

/* Returns whether it is there. */
static bool check(struct findings *findings, const char *id, const char *path, mode_t kind) {
	bool is_there;
	const char *wrong = look(path, kind, &is_there);

	if (!wrong)
		return is_there;
	findings_add(findings, id, FINDING_BAD, "'%s' %s", path, wrong);
	if (is_there && strstr(wrong, "open"))
		findings_fix(findings, "chmod %s '%s'", kind == S_IFDIR ? "700" : "600", path);
	else
		findings_fix(findings, "find out who made it, then move it away");
	return is_there;
}

static void check_pair(struct findings *findings, const char *id, const char *folder,
	const char *name, mode_t kind) {
	size_t n_before = findings->n;
	_cleanup_(freep) char *path = NULL;
	bool is_there;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		findings->is_broken = true;
		return;
	}
	is_there = check(findings, id, folder, S_IFDIR);
	if (is_there)
		is_there = check(findings, id, path, kind);
	if (is_there && findings->n == n_before)
		findings_add(findings, id, FINDING_OK, "nobody else can reach '%s'", path);
}

static void check_socket(struct findings *findings, const char *socket) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	int r = endpoint_resolve(socket, &endpoint);

	if (r == 0) {
		check_pair(findings, "D08", endpoint.directory, endpoint.name, S_IFSOCK);
		return;
	}
	findings_add(findings, "D08", FINDING_BAD, "the agent's socket has no place");
	findings_fix(findings, "%s", endpoint_advice(r));
}

/* The same folder as the agent's: a relative path in the variable is to be ignored. */
static void check_store(struct findings *findings) {
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	_cleanup_(freep) char *folder = NULL;
	bool has_data = data && data[0] == '/';

	if (!has_data && (!home || home[0] != '/'))
		return;
	if (asprintf(&folder, "%s%s/cpub-agent", has_data ? data : home,
		    has_data ? "" : "/.local/share") < 0) {
		folder = NULL;
		findings->is_broken = true;
		return;
	}
	check_pair(findings, "D09", folder, "vault", S_IFREG);
}

void doctor_folders(struct findings *findings, const char *socket) {
	check_socket(findings, socket);
	check_store(findings);
}

/* A number of the kernel's; -1 where it does not know the name. */
static long read_number(const char *root, const char *name) {
	_cleanup_(freep) char *path = NULL, *text = NULL;
	size_t size;

	if (asprintf(&path, "%s/%s", root, name) < 0) {
		path = NULL;
		return -1;
	}
	return small_file_read(path, 64, &text, &size) == 0 ? strtol(text, NULL, 10) : -1;
}

void doctor_kernel(struct findings *findings, const char *root) {
	long scope = read_number(root, "kernel/yama/ptrace_scope");
	long injection = read_number(root, "dev/tty/legacy_tiocsti");

	if (scope <= 0) {
		findings_add(findings, "D11", FINDING_WARN,
			"%s: programs of your user can read cargo's memory during an upload",
			scope == 0 ? "kernel.yama.ptrace_scope=0"
				   : "this kernel has no kernel.yama.ptrace_scope");
		findings_fix(findings, "%s",
			scope == 0 ? "sysctl kernel.yama.ptrace_scope=1 (as root)"
				   : "use a kernel with Yama, where you can");
	} else {
		findings_add(findings, "D11", FINDING_OK, "kernel.yama.ptrace_scope=%ld", scope);
	}
	if (injection != 0) {
		findings_add(findings, "D12", FINDING_WARN,
			"%s: programs can type into your terminal, so y/N there proves little",
			injection > 0 ? "dev.tty.legacy_tiocsti=1"
				      : "this kernel has no dev.tty.legacy_tiocsti");
		findings_fix(findings, "%s",
			injection > 0 ? "sysctl dev.tty.legacy_tiocsti=0 (as root)"
				      : "use Linux 6.2 or newer, where you can");
	} else {
		findings_add(findings, "D12", FINDING_OK, "dev.tty.legacy_tiocsti=0");
	}
}
