#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/journal.h"

#define LINE_SIZE 1024

static enum log_level highest = LOG_LEVEL_NOTICE;

void log_set_level(enum log_level level) {
	highest = level;
}

static const char *prefix(enum log_level level) {
	switch (level) {
	case LOG_LEVEL_WARNING:
		return SD_WARNING;
	case LOG_LEVEL_NOTICE:
		return SD_NOTICE;
	case LOG_LEVEL_DEBUG:
		return SD_DEBUG;
	}
	return "";
}

void log_line(enum log_level level, const char *format, ...) {
	struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
	bool is_journal;
	char line[LINE_SIZE];
	size_t size;
	va_list args;

	if (level > highest)
		return;
	is_journal = journal_has_stderr();
	(void) snprintf(line, sizeof(line), "%s", is_journal ? prefix(level) : "cpub-agentd: ");
	size = strlen(line);
	va_start(args, format);
	/* A cut line is still a line. */
	(void) vsnprintf(line + size, sizeof(line) - size - 1, format, args);
	va_end(args);
	size = strlen(line);
	line[size++] = '\n';
	/* Who does not read must not hold us up: the line is lost then. */
	if (is_journal)
		(void) !send(STDERR_FILENO, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (poll(&reader, 1, 0) > 0 && (reader.revents & POLLOUT))
		(void) !write(STDERR_FILENO, line, size); /* O_NONBLOCK would reach who shares it. */
}
