#pragma once

/*
 * For a run that leaves things behind unless it ends by itself: what would end
 * it (^C, SIGTERM, a terminal that goes away) is noted and ends every wait
 * instead, and is obeyed when all is cleared away. One at a time.
 */

#include <stdbool.h>

/*
 * From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT are noted, but for those that our parent
 * made us ignore; and SIGPIPE is a failed write. 0 or a negative errno.
 */
int stop_begin(void);

/* Readable, and hung up, from the first such signal on. -1 before stop_begin. */
int stop_fd(void);
bool stop_was_asked(void);

/* All is cleared away: back to as it was, and ends this program if a signal was noted. */
void stop_end(void);
