#pragma once

/* Times in headers: RFC 9110, 5.6.7 and 10.2.3; RFC 9111, 5.1. */

#include <stdint.h>

/*
 * An IMF-fixdate (`Sun, 06 Nov 1994 08:49:37 GMT`), which is the only form that
 * may still be sent, as Unix time. 0, or -EINVAL for any other text.
 */
int http_date_read(const char *text, uint64_t *ret);

/* An Age, in seconds. 0, or -EINVAL for any other text and more than eight digits. */
int http_age_read(const char *text, uint64_t *ret);

/*
 * A Retry-After, as such a date or as seconds from `now`, as Unix time. -EINVAL
 * for any other text, and for a time that no registry means: more than a year
 * ahead, or past by more than a day.
 */
int http_retry_after_read(const char *text, uint64_t now, uint64_t *ret);
