#pragma once

/*
 * Signatures with the nonces of RFC 6979, so that a test can say what comes out byte for byte. A
 * test program that is linked with --wrap=p384_key_sign gets them; no other program has them.
 */

#include "agent/work/sign/p384.h"

int __wrap_p384_key_sign(const struct p384_key *key, const void *bytes, size_t size,
	uint8_t ret[P384_SIGNATURE_SIZE]);
