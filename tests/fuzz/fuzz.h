#pragma once

/* What every fuzz target begins with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The one function of a target; libFuzzer brings main. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* As assert, whatever the build. */
#define check(expression) ((expression) ? (void) 0 : check_failed(#expression, __FILE__, __LINE__))

__attribute__((noreturn)) static inline void check_failed(
	const char *expression, const char *file, int line) {
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, expression);
	abort();
}

/* The lowest free descriptor: the same before and after, unless one was left open. */
static inline int next_descriptor(void) {
	int fd = dup(STDERR_FILENO);

	check(fd >= 0 && close(fd) == 0);
	return fd;
}
