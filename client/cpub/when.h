#pragma once

/* A time to come, as people write it: `90d`, `12h`, `30min`, `2w`, or a day, `2027-02-20`. */

#include <stdint.h>
#include <time.h>

/*
 * Unix time in *ret; a day means its beginning, UTC, so that it errs on the
 * early side. 0, -EINVAL for other words, -ERANGE for a time that is not ahead of `now`.
 */
int when_parse(const char *text, time_t now, int64_t *ret);
