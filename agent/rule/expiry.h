#pragma once

/*
 * What the expiry that a person told of a token means by now. Registries do
 * not say when a token expires; what was told is all there is. No I/O.
 */

#include <stdbool.h>
#include <stdint.h>

/* From here on `status`, `list` and each approval warn: two weeks, in days. */
#define EXPIRY_SOON_DAYS 14

/* Unix times; `expires` 0 is "not told", which never ends. Less than a minute left counts as over. */
bool expiry_is_over(int64_t expires, int64_t now);

/*
 * Whole days left, of which a person is to be warned: 14 to 1, and 0 for less
 * than a day or over. -1: nothing to warn of.
 */
int expiry_warning_days(int64_t expires, int64_t now);
