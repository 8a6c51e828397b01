#pragma once

/* Ends a child of ours with all that it started, and waits until they are gone. */

#include <sys/types.h>

/*
 * SIGTERM for the child, so that it can put things in order, and SIGKILL after 2 s, for
 * it and for each process that it leaves. At most some seconds, whatever they do.
 */
void kill_tree(pid_t child);
