#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "protocol/cleanup.h"

static const int guarded_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
#define N_GUARDED (sizeof(guarded_signals) / sizeof(guarded_signals[0]))

/* What the handler restores; NULL when there is no guard. */
static const struct terminal *volatile guarded_terminal;

bool terminal_is_ours(const struct terminal *terminal) {
	return terminal->fd >= 0 && tcgetpgrp(terminal->fd) == getpgrp();
}

int terminal_open(struct terminal *ret) {
	struct terminal terminal = TERMINAL_NULL;
	_cleanup_(fd_closep) int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	terminal.fd = fd;
	if (!terminal_is_ours(&terminal))
		return -EPERM;
	if (tcgetattr(fd, &terminal.modes) < 0)
		return -errno;
	terminal.fd = TAKE_FD(fd);
	*ret = terminal;
	return 0;
}

/* Member by member: the structure has padding. */
static bool modes_are_equal(const struct termios *a, const struct termios *b) {
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

void terminal_restore(const struct terminal *terminal) {
	struct termios modes;
	sigset_t stop;
	sigset_t before;

	if (!terminal_is_ours(terminal))
		return;
	/* Hushed when we came: another's question stood there, and these modes are not the shell's. */
	if ((terminal->modes.c_lflag & (ICANON | ECHO | ISIG)) == 0)
		return;
	if (tcgetattr(terminal->fd, &modes) < 0 || modes_are_equal(&modes, &terminal->modes))
		return;

	/* We may be put into the background right now, and would be stopped by the calls below. */
	(void) sigemptyset(&stop);
	(void) sigaddset(&stop, SIGTTOU);
	(void) sigprocmask(SIG_BLOCK, &stop, &before);
	(void) tcflush(terminal->fd, TCIFLUSH);
	/* TCSANOW: the others wait for output, for ever on a terminal stopped by ^S. */
	(void) tcsetattr(terminal->fd, TCSANOW, &terminal->modes);
	(void) sigprocmask(SIG_SETMASK, &before, NULL);
}

/* SA_RESETHAND has taken us out already, so the raised signal ends us when this returns. */
static void terminal_on_signal(int signal) {
	int saved = errno;
	const struct terminal *terminal = guarded_terminal;
	if (terminal)
		terminal_restore(terminal);
	(void) raise(signal);
	errno = saved;
}

void terminal_guard(const struct terminal *terminal) {
	const struct sigaction action = {
		.sa_handler = terminal_on_signal, .sa_flags = (int) SA_RESETHAND};
	struct sigaction before;

	guarded_terminal = terminal;
	for (size_t i = 0; i < N_GUARDED; i++) {
		/* What our parent made us ignore (nohup) stays ignored. */
		if (sigaction(guarded_signals[i], NULL, &before) == 0 &&
			before.sa_handler == SIG_DFL)
			(void) sigaction(guarded_signals[i], &action, NULL);
	}
}

static void terminal_unguard(void) {
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	struct sigaction now;

	for (size_t i = 0; i < N_GUARDED; i++) {
		if (sigaction(guarded_signals[i], NULL, &now) == 0 &&
			now.sa_handler == terminal_on_signal)
			(void) sigaction(guarded_signals[i], &usual, NULL);
	}
	guarded_terminal = NULL;
}

void terminal_done(struct terminal *terminal) {
	terminal_restore(terminal);
	if (guarded_terminal == terminal)
		terminal_unguard();
	terminal->fd = fd_close(terminal->fd);
}
