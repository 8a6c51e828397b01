#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

#include "deadline.h"
#include "entry.h"

#include "protocol/secret.h"

/* So little that the terminal takes it whole when poll says that it is writable. */
#define WRITE_MAX 64u
/* A last word after the deadline must not hang on a terminal that was stopped by ^S. */
#define LAST_WORD_MSEC 500u

#define MODES_OFF (ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG | IEXTEN)

struct terminal {
	int fd;
	uint64_t deadline_usec;
	bool is_hushed;
};

/* What a signal handler needs to leave the terminal as it was. */
static int hushed_fd = -1;
static struct termios saved_modes;

static const int fatal_signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
#define N_FATAL_SIGNALS (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

/*
 * What was typed and not read is thrown away: it would go to the shell as a
 * command. TCSANOW, because waiting for output never ends after ^S. Both calls
 * are async-signal-safe (signal-safety(7)).
 */
static void terminal_restore(void) {
	int saved_errno = errno;

	if (hushed_fd >= 0) {
		(void) tcflush(
			hushed_fd, TCIFLUSH); /* If the terminal is gone, so are its modes. */
		(void) tcsetattr(hushed_fd, TCSANOW, &saved_modes);
	}
	errno = saved_errno;
}

/* SA_RESETHAND has put the default action back; it strikes when this returns. */
static void terminal_on_fatal_signal(int number) {
	terminal_restore();
	(void) raise(number);
}

static void terminal_catch_signals(bool is_on) {
	struct sigaction action = {
		.sa_handler = is_on ? terminal_on_fatal_signal : SIG_DFL,
		.sa_flags = (int) SA_RESETHAND,
	};

	(void) sigfillset(&action.sa_mask); /* None of these calls can fail for these signals. */
	for (size_t i = 0; i < N_FATAL_SIGNALS; i++)
		(void) sigaction(fatal_signals[i], &action, NULL);
}

enum refusal terminal_open(int fd, uint64_t deadline_usec, struct terminal **ret) {
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) != O_RDWR || !isatty(fd))
		return REFUSAL_PROMPT_FAILED;

	struct terminal *terminal = calloc(1, sizeof(*terminal));
	if (!terminal)
		return REFUSAL_NO_MEMORY;
	terminal->fd = fd;
	terminal->deadline_usec = deadline_usec;
	*ret = terminal;
	return REFUSAL_NONE;
}

struct terminal *terminal_close(struct terminal *terminal) {
	if (!terminal)
		return NULL;
	if (terminal->is_hushed) {
		terminal_restore();
		hushed_fd = -1;
		terminal_catch_signals(false);
	}
	free(terminal);
	return NULL;
}

enum refusal terminal_hush(struct terminal *terminal) {
	struct termios modes;

	if (tcgetattr(terminal->fd, &saved_modes) < 0)
		return REFUSAL_PROMPT_FAILED;
	hushed_fd = terminal->fd;
	terminal->is_hushed = true;
	terminal_catch_signals(true);

	modes = saved_modes;
	modes.c_lflag &= (tcflag_t) ~MODES_OFF;
	/* Enter must arrive, and every byte once. ^S and ^Q stay as the person has them. */
	modes.c_iflag &= (tcflag_t) ~(IGNCR | INLCR | PARMRK | ISTRIP);
	/* A read returns at once, even if somebody else took what poll had seen. */
	modes.c_cc[VMIN] = 0;
	modes.c_cc[VTIME] = 0;
	if (tcsetattr(terminal->fd, TCSANOW, &modes) < 0)
		return REFUSAL_PROMPT_FAILED;

	/* tcsetattr succeeds if it could do any part; this is the part that matters. */
	if (tcgetattr(terminal->fd, &modes) < 0 || (modes.c_lflag & MODES_OFF) != 0)
		return REFUSAL_PROMPT_FAILED;
	return REFUSAL_NONE;
}

static enum refusal terminal_write(
	const struct terminal *terminal, const char *bytes, size_t size) {
	while (size > 0) {
		enum refusal refusal =
			deadline_wait(terminal->deadline_usec, terminal->fd, POLLOUT);
		if (refusal != REFUSAL_NONE)
			return refusal;

		ssize_t n = write(terminal->fd, bytes, size < WRITE_MAX ? size : WRITE_MAX);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return REFUSAL_PROMPT_FAILED;
		if (n > 0) {
			bytes += n;
			size -= (size_t) n;
		}
	}
	return REFUSAL_NONE;
}

static enum refusal terminal_write_string(const struct terminal *terminal, const char *text) {
	return terminal_write(terminal, text, strlen(text));
}

/* One line of a text. A control byte in it would be a mistake of ours; it is shown as '?'. */
static enum refusal terminal_write_line(
	const struct terminal *terminal, const char *line, size_t size) {
	size_t i = 0;

	while (i < size) {
		size_t n = 0;
		while (i + n < size && (unsigned char) line[i + n] >= ' ' && line[i + n] != 0x7f)
			n++;

		enum refusal refusal = n > 0 ? terminal_write(terminal, line + i, n)
					     : terminal_write_string(terminal, "?");
		if (refusal != REFUSAL_NONE)
			return refusal;
		i += n > 0 ? n : 1;
	}
	return REFUSAL_NONE;
}

enum refusal terminal_ring(struct terminal *terminal) {
	return terminal_write_string(terminal, "\a");
}

enum refusal terminal_say(struct terminal *terminal, const char *text) {
	/* There may be half a line on the screen, and nobody else may turn \n into \r\n. */
	enum refusal refusal = terminal_write_string(terminal, "\r\n");

	while (refusal == REFUSAL_NONE && *text) {
		size_t size = strcspn(text, "\n");

		refusal = terminal_write_line(terminal, text, size);
		if (refusal == REFUSAL_NONE)
			refusal = terminal_write_string(terminal, "\r\n");
		text += size + (text[size] == '\n');
	}
	return refusal;
}

/* Reads the next byte to `slot`. 1, 0 if there is none after all, or a negative errno. */
static int terminal_read_byte(const struct terminal *terminal, uint8_t *slot) {
	struct pollfd hang_up = {.fd = terminal->fd};
	ssize_t n = read(terminal->fd, slot, 1);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n > 0)
		return 1;
	/* With VMIN 0 an empty read is no end of file, unless the terminal is gone. */
	return poll(&hang_up, 1, 0) > 0 && (hang_up.revents & (POLLHUP | POLLERR)) ? -EIO : 0;
}

static enum refusal terminal_show_echo(
	const struct terminal *terminal, const struct entry_echo *echo) {
	for (size_t i = 0; i < echo->n_erased; i++) {
		enum refusal refusal = terminal_write_string(terminal, "\b \b");
		if (refusal != REFUSAL_NONE)
			return refusal;
	}
	return echo->shown ? terminal_write(terminal, &echo->shown, 1) : REFUSAL_NONE;
}

/* Reads until Enter. */
static enum refusal terminal_read_entry(const struct terminal *terminal, struct entry *entry) {
	for (;;) {
		enum refusal refusal = deadline_wait(terminal->deadline_usec, terminal->fd, POLLIN);
		if (refusal != REFUSAL_NONE)
			return refusal;
		int r = terminal_read_byte(terminal, entry_slot(entry));
		if (r < 0)
			return REFUSAL_PROMPT_FAILED;
		if (r == 0)
			continue;

		struct entry_echo echo;
		switch (entry_take(entry, &echo)) {
		case ENTRY_OPEN:
			refusal = terminal_show_echo(terminal, &echo);
			if (refusal != REFUSAL_NONE)
				return refusal;
			break;
		case ENTRY_FINISHED:
			return entry_is_too_long(entry) ? REFUSAL_BAD_TOKEN : REFUSAL_NONE;
		case ENTRY_DENIED:
			return REFUSAL_DENIED;
		}
	}
}

/* Ends the line on which was typed, or not typed; whether that is seen changes nothing. */
static void terminal_end_line(struct terminal *terminal, enum refusal refusal) {
	uint64_t deadline_usec = terminal->deadline_usec;

	terminal->deadline_usec = deadline_after_msec(LAST_WORD_MSEC);
	(void) terminal_write_string(
		terminal, refusal == REFUSAL_PROMPT_TIMEOUT ? "\r\nno answer in time\r\n" : "\r\n");
	terminal->deadline_usec = deadline_usec;
}

static enum refusal terminal_write_prompt(const struct terminal *terminal, const char *prompt) {
	size_t size = strlen(prompt);

	enum refusal refusal = terminal_write_line(terminal, prompt, size);
	if (refusal == REFUSAL_NONE && size > 0 && prompt[size - 1] != ' ')
		refusal = terminal_write_string(terminal, " ");
	return refusal;
}

enum refusal terminal_read(
	struct terminal *terminal, const char *prompt, bool is_shown, struct secret **ret) {
	_cleanup_(entry_freep) struct entry *entry = NULL;

	if (entry_new(is_shown, &entry) < 0)
		return REFUSAL_NO_MEMORY;

	/* What was typed ahead was not meant for this question. */
	if (tcflush(terminal->fd, TCIFLUSH) < 0)
		return REFUSAL_PROMPT_FAILED;
	enum refusal refusal = terminal_write_prompt(terminal, prompt);
	if (refusal == REFUSAL_NONE)
		refusal = terminal_read_entry(terminal, entry);
	terminal_end_line(terminal, refusal);
	if (refusal != REFUSAL_NONE)
		return refusal;
	*ret = entry_take_secret(entry);
	return REFUSAL_NONE;
}
