#pragma once

/*
 * The terminal that a client lends to the agent, so that the agent can ask a
 * person there. It is lent only from its foreground, and its modes are put
 * back whatever becomes of the agent. libc only: the provider links this.
 */

#include <stdbool.h>
#include <termios.h>

struct terminal {
	int fd;
	/* As they were before it was lent. */
	struct termios modes;
};

#define TERMINAL_NULL ((struct terminal){.fd = -1})

/*
 * Opens the controlling terminal and remembers its modes. Returns 0, -ENXIO if
 * there is none, -EPERM if we are in its background, or another negative errno.
 */
int terminal_open(struct terminal *ret);

/* Whether we are in its foreground now, and so may lend it. False for TERMINAL_NULL. */
bool terminal_is_ours(const struct terminal *terminal);

/*
 * Puts the modes back if they differ, and throws away what was typed meanwhile
 * (half a passphrase must not end up in the shell). Does nothing in the
 * background. Safe in a signal handler.
 */
void terminal_restore(const struct terminal *terminal);

/*
 * From now on a SIGINT, SIGTERM, SIGHUP or SIGQUIT that ends us restores this
 * terminal first. Only one at a time; it must stay where it is until terminal_done.
 */
void terminal_guard(const struct terminal *terminal);

/* Restores, ends the guard, closes. */
void terminal_done(struct terminal *terminal);
