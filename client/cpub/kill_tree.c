/*
 * Orphans go to the nearest of their ancestors that asked for them
 * (PR_SET_CHILD_SUBREAPER), so once a child is dead, its children are ours.
 * Those that lost their parent earlier went to init: a compiler's cache, that is
 * meant to stay, and nothing that a build still waits for.
 */

#include "kill_tree.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/call.h"
#include "protocol/cleanup.h"

#define GRACE_USEC (2 * CALL_USEC_PER_SEC)
/* A round kills one generation. */
#define ROUNDS_MAX 100

static void wait_for_end(pid_t pid, uint64_t usec) {
	_cleanup_(fd_closep) int fd = pidfd_open(pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};

	if (fd >= 0)
		(void) call_poll(&end, 1, call_deadline(usec)); /* In time or not: it is killed. */
}

/* Killed it ends at once, unless the kernel holds it: then init gets it from us. */
static void reap(pid_t pid) {
	wait_for_end(pid, GRACE_USEC);
	(void) waitpid(pid, NULL, WNOHANG);
}

/* Kills every child that we have now; false when there was none. */
static bool kill_children(void) {
	_cleanup_(file_closep) FILE *list = NULL;
	char path[64];
	bool found = false;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int) getpid());
	list = fopen(path, "re");
	while (list && fscanf(list, "%d", &pid) == 1) {
		found = true;
		(void) kill(pid, SIGKILL);
		reap(pid);
	}
	return found;
}

void kill_tree(pid_t child) {
	(void) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void) kill(child, SIGTERM);
	wait_for_end(child, GRACE_USEC);
	(void) kill(child, SIGKILL);
	reap(child);
	for (int i = 0; i < ROUNDS_MAX && kill_children(); i++)
		;
	(void) prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}
