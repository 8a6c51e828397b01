#pragma once

/* The name of an entry of an archive: what all systems that unpack it have to agree on. */

#include <stdbool.h>

struct fault;

/* Faults are names that lead elsewhere, or that could be taken for another. 0, or a negative errno.
 */
int entry_name_check(const char *name, struct fault *fault);

/* Whether some system takes the first part of an entry's name, which was checked, for that name. */
bool entry_name_is_like(const char *entry, const char *name);

/* Whether Windows makes of a name, which was checked, what other systems do. */
bool entry_name_is_windows_safe(const char *name);
