#pragma once

/* Signed tokens: PASETO, https://github.com/paseto-standard/paseto-spec, version 3, public. */

struct p384_key;
struct secret;

/*
 * Signs the message with the footer, which the token carries, and the assertion, which it does
 * not: whoever checks it has to know that one. Footer and assertion may be "". The caller frees
 * *ret. 0, -ENOMEM or -EIO.
 */
int paseto_sign(const struct p384_key *key, const char *message, const char *footer,
	const char *assertion, struct secret **ret);
