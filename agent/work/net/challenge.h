#pragma once

/* What a registry says in a WWW-Authenticate header (RFC 9110, section 11.6.1). */

/*
 * Finds `login_url` of a `Cargo` challenge, as cargo does: scheme and parameter
 * in any case, among any number of challenges; others are passed over. Returns
 * 0 and the text in *ret (caller frees), unchecked; -ENOENT; or -ENOMEM.
 */
int challenge_login_url(const char *header, char **ret);

/*
 * In the same way, the `challenge` that the next signed request is to claim (RFC 3231).
 * -ENOENT also if there are several that differ: whichever was taken, it may be the wrong one.
 */
int challenge_claim(const char *header, char **ret);
