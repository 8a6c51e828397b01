#pragma once

/*
 * Closes the process to other programs of the same user: not dumpable (no
 * ptrace, no /proc/PID/mem), no core dump, no new privileges, umask 077. exec
 * resets the first, so every program calls this first thing in main. libc only.
 */

/* 0 or a negative errno; on failure do not go on. */
int harden_process(void);

/* 0 if nobody traces this process, -EPERM if somebody does. */
int harden_check_untraced(void);
