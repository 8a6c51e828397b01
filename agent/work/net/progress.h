#pragma once

/* How far an upload has come, told to the core. */

#include <stdint.h>

/*
 * Tells it, though not more than ten times a second, and also that nothing has
 * moved, every two seconds: then the server is awaited. 0, or a negative errno.
 */
int progress_tell(uint64_t done, uint64_t total);
