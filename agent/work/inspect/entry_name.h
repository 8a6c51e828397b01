#pragma once

/* The name of an entry of an archive: what all systems that unpack it have to agree on. */

struct fault;

/* Faults are names that lead elsewhere, or that could be taken for another. 0, or a negative errno.
 */
int entry_name_check(const char *name, struct fault *fault);
