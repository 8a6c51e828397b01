/*
 * A text that is taken for a private key has one way to be written as PASERK, which is read as
 * the same key; a PASERK text that was read was that one already. So it is with a public key.
 * What signs is not tried: it sees claims that were checked.
 */

#include <errno.h>
#include <string.h>

#include "agent/work/frame.h"
#include "agent/work/sign/paserk.h"
#include "protocol/names.h"
#include "protocol/secret.h"
#include "tests/fuzz/fuzz.h"

#define SOME PASERK_SECRET "fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36"

static void check_round_trip(
	const struct p384_key *key, const struct secret *text, bool is_paserk) {
	_cleanup_(p384_key_freep) struct p384_key *same = NULL;
	_cleanup_(secret_freep) struct secret *written = NULL;
	char public[PASERK_PUBLIC_SIZE], id[PASERK_ID_SIZE];

	check(paserk_write_secret(key, &written) == 0);
	check(!is_paserk || secret_equal(written, text));
	check(paserk_read_secret(written, &same) == 0);
	check(memcmp(p384_key_point(key), p384_key_point(same), P384_POINT_SIZE) == 0);
	paserk_write_public(p384_key_point(key), public);
	check(strlen(public) == PASERK_PUBLIC_SIZE - 1);
	check(paserk_write_id(public, id) == 0 && strlen(id) == PASERK_ID_SIZE - 1);
	same = p384_key_free(same);
	check(paserk_read_pair(written, public, &same) == 0);
	check(memcmp(p384_key_point(key), p384_key_point(same), P384_POINT_SIZE) == 0);
}

/* The text as the public key that goes with some private one. */
static void check_public(const uint8_t *bytes, size_t size) {
	_cleanup_(p384_key_freep) struct p384_key *pair = NULL;
	_cleanup_(secret_freep) struct secret *some = NULL;
	_cleanup_(freep) char *text = strndup((const char *) bytes, size);
	char public[PASERK_PUBLIC_SIZE];

	check(text && secret_from(SOME, strlen(SOME), &some) == 0);
	int r = paserk_read_pair(some, text, &pair);
	check(r == 0 || r == -EBADMSG);
	if (!pair)
		return;
	paserk_write_public(p384_key_point(pair), public);
	check(strcmp(public, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	_cleanup_(p384_key_freep) struct p384_key *of_pem = NULL;
	_cleanup_(secret_freep) struct secret *text = NULL;

	/* No p384_begin: LeakSanitizer looks for no pointers in libcrypto's secure heap. */
	if (size == 0 || size > KEY_TEXT_MAX)
		return 0;
	check(secret_from(bytes, size, &text) == 0);
	int r = paserk_read_secret(text, &key);
	check(r == 0 || r == -EBADMSG);
	if (key)
		check_round_trip(key, text, true);
	r = p384_key_from_pem(text, &of_pem);
	check(r == 0 || r == -EBADMSG);
	if (of_pem)
		check_round_trip(of_pem, text, false);
	check_public(bytes, size);
	return 0;
}
