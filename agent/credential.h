#pragma once

/* The passphrase that systemd gives to a service on a machine without a person: LoadCredential=. */

#include <stdbool.h>

struct secret;

/*
 * Reads the credential cpub-passphrase, one line end stripped. 0 and *ret
 * (caller frees), -ENOENT where there is none, -EBADMSG if it is no regular
 * file or not one line of 1 to 1024 bytes without NUL, or another negative
 * errno.
 */
int credential_read(struct secret **ret);

/* Is there one, whatever it holds? */
bool credential_is_given(void);
