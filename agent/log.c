#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

static enum log_level highest = LOG_LEVEL_NOTICE;

void log_set_level(enum log_level level) {
	highest = level;
}

static const char *prefix(enum log_level level) {
	if (!getenv("JOURNAL_STREAM"))
		return "cpub-agentd: ";
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
	char line[1024];
	va_list args;

	if (level > highest)
		return;
	va_start(args, format);
	(void) vsnprintf(line, sizeof(line), format, args); /* A cut line is still a line. */
	va_end(args);
	fprintf(stderr, "%s%s\n", prefix(level), line);
}
