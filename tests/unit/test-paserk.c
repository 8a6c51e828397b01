/* The texts of keys: what is read, what is written, and what is no key. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/work/sign/paserk.h"
#include "paseto-vectors.h"

/* The sample key of RFC 3231. */
#define SAMPLE "k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36"
#define SAMPLE_PUBLIC "k3.public.AmDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ"
#define SAMPLE_ID "k3.pid.QB3WNBP-5j-0XQV2MOuvuOcLlJ8uz-pmqtIZus1x3YTu"

static int read_key(const char *text, struct p384_key **ret) {
	_cleanup_(secret_freep) struct secret *secret = NULL;

	assert_int_equal(secret_from(text, strlen(text), &secret), 0);
	return paserk_read_secret(secret, ret);
}

static void assert_text(const struct secret *secret, const char *text) {
	assert_int_equal(secret_size(secret), strlen(text));
	assert_memory_equal(secret_peek(secret), text, strlen(text));
}

/* PASERK of the bytes, of any number. */
static void write_any(const char *header, const uint8_t *bytes, size_t size, char *ret) {
	base64url_write(bytes, size, stpcpy(ret, header));
}

static void test_paserk_of_the_sample_key(void **state) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	_cleanup_(secret_freep) struct secret *again = NULL;
	char public[PASERK_PUBLIC_SIZE], id[PASERK_ID_SIZE];

	(void) state;
	assert_int_equal(read_key(SAMPLE, &key), 0);
	paserk_write_public(p384_key_point(key), public);
	assert_string_equal(public, SAMPLE_PUBLIC);
	assert_int_equal(paserk_write_id(public, id), 0);
	assert_string_equal(id, SAMPLE_ID);
	assert_int_equal(paserk_write_secret(key, &again), 0);
	assert_text(again, SAMPLE);
}

static void test_paserk_reads_what_it_made(void **state) {
	(void) state;
	for (int i = 0; i < 8; i++) {
		_cleanup_(p384_key_freep) struct p384_key *key = NULL;
		_cleanup_(p384_key_freep) struct p384_key *same = NULL;
		_cleanup_(secret_freep) struct secret *text = NULL;

		assert_int_equal(p384_key_new(&key), 0);
		assert_int_equal(paserk_write_secret(key, &text), 0);
		assert_int_equal(paserk_read_secret(text, &same), 0);
		assert_memory_equal(p384_key_point(key), p384_key_point(same), P384_POINT_SIZE);
		assert_true(secret_equal(p384_key_scalar(key), p384_key_scalar(same)));
	}
}

/* What it signs with is the same as if the point had been worked out. */
static void test_paserk_reads_a_pair(void **state) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	_cleanup_(p384_key_freep) struct p384_key *pair = NULL;
	_cleanup_(secret_freep) struct secret *text = NULL;

	(void) state;
	assert_int_equal(secret_from(SAMPLE, strlen(SAMPLE), &text), 0);
	assert_int_equal(paserk_read_secret(text, &key), 0);
	assert_int_equal(paserk_read_pair(text, SAMPLE_PUBLIC, &pair), 0);
	assert_memory_equal(p384_key_point(key), p384_key_point(pair), P384_POINT_SIZE);
	assert_true(secret_equal(p384_key_scalar(key), p384_key_scalar(pair)));
}

static void test_paserk_refuses_a_pair_without_a_point(void **state) {
	static const char *const texts[] = {
		"",
		"k3.public.",
		SAMPLE,
		SAMPLE_ID,
		SAMPLE_PUBLIC "A",
		/* No point has this x; nor this first byte. */
		"k3.public.AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ",
		"k3.public.BGDwjlyf8jAV3gm5Z7Kz9xAOcsKslt_Vwp5v-emjFzBHLCtcANzTaVEghTNEMj9PkQ",
	};
	_cleanup_(secret_freep) struct secret *text = NULL;
	struct p384_key *pair = NULL;

	(void) state;
	assert_int_equal(secret_from(SAMPLE, strlen(SAMPLE), &text), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(paserk_read_pair(text, texts[i], &pair), -EBADMSG);
		assert_null(pair);
	}
}

static void test_paserk_refuses_what_is_no_text_of_a_key(void **state) {
	static const char *const texts[] = {
		"k",
		"k3.secret",
		"k3.secret.",
		/* Others' headers, with a body of the right length. */
		"k4.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36",
		"k1.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36",
		"k3.public.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36",
		"K3.SECRET.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36",
		" k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36",
		/* A character more, less, or of another alphabet. */
		SAMPLE "A",
		SAMPLE "=",
		SAMPLE "====",
		SAMPLE "\n",
		SAMPLE " ",
		"k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn3",
		"k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn3=",
		"k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn3+",
		"k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn3/",
		"k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQ quVZwgR6X12cBFHZLFsaU3q7X3k1Zn3",
		/* Text of the RFC's PEM is none either. */
		"-----BEGIN EC PRIVATE KEY-----",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct p384_key *key = NULL;

		assert_int_equal(read_key(texts[i], &key), -EBADMSG);
		assert_null(key);
	}
}

/* FIPS 186-4, D.1.2.4. */
#define ORDER                                                                                      \
	"ffffffffffffffffffffffffffffffffffffffffffffffff"                                         \
	"c7634d81f4372ddf581a0db248b0a77aecec196accc52973"

/* The order's last byte is 73. */
static int read_near_order(int distance) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	uint8_t scalar[P384_SCALAR_SIZE];
	char text[128];

	assert_int_equal(from_hex(ORDER, scalar, sizeof(scalar)), sizeof(scalar));
	scalar[P384_SCALAR_SIZE - 1] = (uint8_t) (scalar[P384_SCALAR_SIZE - 1] + distance);
	write_any(PASERK_SECRET, scalar, sizeof(scalar), text);
	return read_key(text, &key);
}

static void test_paserk_refuses_zero_and_the_order_and_above(void **state) {
	_cleanup_(p384_key_freep) struct p384_key *key = NULL;
	const uint8_t zero[P384_SCALAR_SIZE] = {0};
	uint8_t highest[P384_SCALAR_SIZE];
	char text[128];

	(void) state;
	assert_int_equal(read_near_order(-1), 0);
	assert_int_equal(read_near_order(0), -EBADMSG);
	assert_int_equal(read_near_order(1), -EBADMSG);
	write_any(PASERK_SECRET, zero, sizeof(zero), text);
	assert_int_equal(read_key(text, &key), -EBADMSG);
	memset(highest, 0xff, sizeof(highest));
	write_any(PASERK_SECRET, highest, sizeof(highest), text);
	assert_int_equal(read_key(text, &key), -EBADMSG);
}

static void test_base64url_refuses_bits_that_are_left_over(void **state) {
	uint8_t byte[2];

	(void) state;
	assert_int_equal(base64url_read("AA", 2, byte, 1), 0);
	assert_int_equal(base64url_read("AB", 2, byte, 1), -EBADMSG);
	assert_int_equal(base64url_read("AAA", 3, byte, 2), 0);
	assert_int_equal(base64url_read("AAB", 3, byte, 2), -EBADMSG);
	assert_int_equal(base64url_read("AA==", 4, byte, 1), -EBADMSG);
	assert_int_equal(base64url_read("A", 1, byte, 1), -EBADMSG);
	assert_int_equal(base64url_read("", 0, byte, 1), -EBADMSG);
}

/* Whatever the library that decodes makes of it: one character, one value. */
static void test_base64url_takes_its_own_characters_only(void **state) {
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	(void) state;
	for (int c = 1; c < 256; c++) {
		const char text[] = {(char) c, 'A', 'A', 'A'};
		uint8_t bytes[3];
		const char *at = strchr(alphabet, c);

		assert_int_equal(base64url_read(text, 4, bytes, 3), at ? 0 : -EBADMSG);
		if (at)
			assert_int_equal(bytes[0] >> 2, at - alphabet);
	}
}

static void test_paserk_matches_the_vectors_of_secrets(void **state) {
	_cleanup_(json_freep) struct json *root = paseto_vectors("k3.secret.json");

	(void) state;
	for (const struct json *v = first_vector(root); v; v = json_next(v)) {
		_cleanup_(p384_key_freep) struct p384_key *key = NULL;
		_cleanup_(secret_freep) struct secret *again = NULL;
		uint8_t scalar[128];
		char text[256];
		size_t size = from_hex(json_string(json_member(v, "key")), scalar, sizeof(scalar));

		/* Those that must fail have no text: it is made of their bytes. */
		write_any(PASERK_SECRET, scalar, size, text);
		if (must_fail(v)) {
			assert_int_equal(read_key(text, &key), -EBADMSG);
			continue;
		}
		assert_string_equal(text, json_string(json_member(v, "paserk")));
		assert_int_equal(read_key(text, &key), 0);
		assert_int_equal(paserk_write_secret(key, &again), 0);
		assert_text(again, text);
	}
}

/* Keys of another length cannot get there: a point is an array of 49 bytes. */
static void test_paserk_matches_the_vectors_of_public_keys_and_ids(void **state) {
	static const char *const files[] = {"k3.public.json", "k3.pid.json"};

	(void) state;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_(json_freep) struct json *root = paseto_vectors(files[i]);

		for (const struct json *v = first_vector(root); v; v = json_next(v)) {
			char public[PASERK_PUBLIC_SIZE], id[PASERK_ID_SIZE];
			uint8_t point[128];
			size_t size =
				from_hex(json_string(json_member(v, "key")), point, sizeof(point));

			assert_int_equal(size == P384_POINT_SIZE, !must_fail(v));
			if (size != P384_POINT_SIZE)
				continue;
			paserk_write_public(point, public);
			assert_int_equal(paserk_write_id(public, id), 0);
			assert_string_equal(
				i == 0 ? public : id, json_string(json_member(v, "paserk")));
		}
	}
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paserk_of_the_sample_key),
		cmocka_unit_test(test_paserk_reads_what_it_made),
		cmocka_unit_test(test_paserk_reads_a_pair),
		cmocka_unit_test(test_paserk_refuses_a_pair_without_a_point),
		cmocka_unit_test(test_paserk_refuses_what_is_no_text_of_a_key),
		cmocka_unit_test(test_paserk_refuses_zero_and_the_order_and_above),
		cmocka_unit_test(test_base64url_refuses_bits_that_are_left_over),
		cmocka_unit_test(test_base64url_takes_its_own_characters_only),
		cmocka_unit_test(test_paserk_matches_the_vectors_of_secrets),
		cmocka_unit_test(test_paserk_matches_the_vectors_of_public_keys_and_ids),
	};

	/* No p384_begin: LeakSanitizer looks for no pointers in libcrypto's secure heap. */
	if (argc > 1 && setenv("CPUB_VECTORS", argv[1], 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
