#pragma once

/* The session's message bus, which a worker talks to, never the core. */

#include <stdbool.h>

/* Is there one? Without an address libraries would look for it by starting programs. */
bool bus_is_there(void);
