#pragma once

/*
 * One event, one line on standard error, names in single quotes, never a
 * payload. Into the journal the level goes in front as sd-daemon(3) says, and
 * a line that the journal has no room for is lost.
 */

enum log_level {
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_DEBUG,
};

/* Lines above this level are dropped; at first LOG_LEVEL_NOTICE. */
void log_set_level(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
