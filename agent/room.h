#pragma once

/* How much memory there is for files in memory. */

#include <stdint.h>

/*
 * Bytes that could be given now without swapping: of the machine, or of the control group
 * that we are in, whichever is less. UINT64_MAX where neither tells.
 */
uint64_t room_available(void);
