#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "protocol/cleanup.h"

static const int noted_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define N_NOTED (sizeof(noted_signals) / sizeof(noted_signals[0]))

static volatile sig_atomic_t noted;
static volatile sig_atomic_t write_end = -1;
static int read_end = -1;

/* A closed end wakes all who wait for the other, however many and however often. */
static void note(int signal) {
	int saved = errno, fd = (int) write_end;

	noted = signal;
	write_end = -1;
	(void) fd_close(fd);
	errno = saved;
}

int stop_begin(void) {
	struct sigaction action = {.sa_handler = note}, before;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1];
	noted = 0;
	for (size_t i = 0; i < N_NOTED; i++)
		(void) sigaddset(&action.sa_mask, noted_signals[i]);
	for (size_t i = 0; i < N_NOTED; i++) {
		if (sigaction(noted_signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			(void) sigaction(noted_signals[i], &action, NULL);
	}
	(void) signal(SIGPIPE, SIG_IGN);
	return 0;
}

int stop_fd(void) {
	return read_end;
}

bool stop_was_asked(void) {
	return noted != 0;
}

void stop_end(void) {
	struct sigaction now;

	for (size_t i = 0; i < N_NOTED; i++) {
		if (sigaction(noted_signals[i], NULL, &now) == 0 && now.sa_handler == note)
			(void) signal(noted_signals[i], SIG_DFL);
	}
	read_end = fd_close(read_end);
	write_end = fd_close((int) write_end);
	if (noted != 0)
		(void) raise((int) noted);
}
