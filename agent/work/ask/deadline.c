#include "deadline.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

#include "agent/work/worker.h"

static uint64_t now_usec(void) {
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail for this clock. */
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

uint64_t deadline_after_msec(uint64_t msec) {
	uint64_t now = now_usec();

	return msec > (DEADLINE_NEVER - now) / 1000 ? DEADLINE_NEVER : now + msec * 1000;
}

uint64_t deadline_left_usec(uint64_t deadline_usec) {
	if (deadline_usec == DEADLINE_NEVER)
		return DEADLINE_NEVER;

	uint64_t now = now_usec();
	return deadline_usec > now ? deadline_usec - now : 0;
}

/* For poll: rounded up, so that it does not spin through the last millisecond. */
static int deadline_poll_msec(uint64_t deadline_usec) {
	uint64_t left = deadline_left_usec(deadline_usec);

	if (left == DEADLINE_NEVER)
		return -1;
	return left / 1000 >= INT_MAX ? INT_MAX : (int) ((left + 999) / 1000);
}

enum refusal deadline_wait(uint64_t deadline_usec, int fd, short events) {
	for (;;) {
		struct pollfd fds[] = {
			{.fd = fd, .events = events},
			{.fd = WORKER_SOCKET}, /* No events: only its hang-up is told. */
		};
		int n = poll(fds, 2, deadline_poll_msec(deadline_usec));
		if (n < 0 && errno != EINTR)
			return REFUSAL_PROMPT_FAILED;
		if (n > 0 && fds[1].revents)
			return REFUSAL_PROMPT_FAILED;
		if (n > 0)
			return REFUSAL_NONE;
		if (deadline_left_usec(deadline_usec) == 0)
			return REFUSAL_PROMPT_TIMEOUT;
	}
}
