/* Tokens byte for byte, with the nonces of RFC 6979 instead of the worker's own. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/fields.h"
#include "agent/work/sign/claims.h"
#include "agent/work/sign/paserk.h"
#include "agent/work/sign/paseto.h"
#include "paseto-vectors.h"
#include "protocol/names.h"
#include "rfc6979.h"

/* The sample key of RFC 3231, and a registry. */
#define SAMPLE "k3.secret.fNYVuMvBgOlljt9TDohnaYLblghqaHoQquVZwgR6X12cBFHZLFsaU3q7X3k1Zn36"
#define SAMPLE_ID "k3.pid.QB3WNBP-5j-0XQV2MOuvuOcLlJ8uz-pmqtIZus1x3YTu"
#define INDEX "sparse+https://registry.example/index/"
#define ISSUED 1646073204u /* 2022-02-28T18:33:24Z */
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Made by another implementation of ECDSA and RFC 6979. */
#define READ_TOKEN                                                                                 \
	"v3.public.eyJpYXQiOiIyMDIyLTAyLTI4VDE4OjMzOjI0WiJ9C6uuPsJQnXIP2wLl1Fw62J59XZN-GOaEXYDy1E" \
	"4BeBaMl63U0EIaAvPukyifQefgtBcAtDCNNmdo14QGT_7gRFsHVgMNnnAW_eXXF3egPvrf9WPZ77A3zNwYAxjrEV" \
	"2I.eyJ1cmwiOiJzcGFyc2UraHR0cHM6Ly9yZWdpc3RyeS5leGFtcGxlL2luZGV4LyIsImtpcCI6ImszLnBpZC5RQ" \
	"jNXTkJQLTVqLTBYUVYyTU91dnVPY0xsSjh1ei1wbXF0SVp1czF4M1lUdSJ9"
#define PUBLISH_TOKEN                                                                              \
	"v3.public.eyJpYXQiOiIyMDIyLTAyLTI4VDE4OjMzOjI0WiIsInN1YiI6InN1YiIsIm11dGF0aW9uIjoicHVibG" \
	"lzaCIsIm5hbWUiOiJmb28iLCJ2ZXJzIjoiMC4xLjAiLCJja3N1bSI6ImUzYjBjNDQyOThmYzFjMTQ5YWZiZjRjOD" \
	"k5NmZiOTI0MjdhZTQxZTQ2NDliOTM0Y2E0OTU5OTFiNzg1MmI4NTUifbuzvENG8qQKKrgIkOz1drNOw_qJE5-dvB" \
	"Ahof_3dwNPf0UZ3Ryg2Q91r-9SikdpHV54eRWELCcgSmNqaOIo84zAr6_Et7zMZiHiwNlXjOCRse1hWD3TC4bT1T" \
	"X7mcgD8Q.eyJ1cmwiOiJzcGFyc2UraHR0cHM6Ly9yZWdpc3RyeS5leGFtcGxlL2luZGV4LyIsImtpcCI6ImszLnB" \
	"pZC5RQjNXTkJQLTVqLTBYUVYyTU91dnVPY0xsSjh1ei1wbXF0SVp1czF4M1lUdSJ9"

static struct p384_key *key_of(const char *text) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	struct p384_key *key = NULL;

	assert_int_equal(secret_from(text, strlen(text), &secret), 0);
	assert_int_equal(paserk_read_secret(secret, &key), 0);
	return key;
}

static void assert_text(const struct secret *secret, const char *text) {
	assert_int_equal(secret_size(secret), strlen(text));
	assert_memory_equal(secret_peek(secret), text, strlen(text));
}

static struct p384_key *key_of_hex(const char *hex) {
	char text[128] = PASERK_SECRET;
	uint8_t scalar[P384_SCALAR_SIZE];

	assert_int_equal(from_hex(hex, scalar, sizeof(scalar)), sizeof(scalar));
	base64url_write(scalar, sizeof(scalar), text + strlen(text));
	return key_of(text);
}

/*
 * Of the three, 3-S-2 alone was made with the nonce of RFC 6979 (its own follows from signature
 * and key), and comes out whole; the others do but for the signature. That these hold is
 * shown where there is a verifier: tests/registry/test_verify.py.
 */
static void test_paseto_matches_the_vectors_of_public_tokens(void **state) {
	_cleanup_(json_freep) struct json *root = paseto_vectors("v3.json");
	size_t n_whole = 0, n = 0;

	(void) state;
	for (const struct json *v = first_vector(root); v; v = json_next(v)) {
		_cleanup_(secret_freep) struct secret *token = NULL;
		const char *name = json_string(json_member(v, "name"));
		const char *payload = json_string(json_member(v, "payload"));

		if (strncmp(name, "3-S-", 4) != 0)
			continue;
		_cleanup_(p384_key_freep) struct p384_key *key =
			key_of_hex(json_string(json_member(v, "secret-key")));
		assert_int_equal(paseto_sign(key, payload, json_string(json_member(v, "footer")),
					 json_string(json_member(v, "implicit-assertion")), &token),
			0);
		const char *expected = json_string(json_member(v, "token"));
		/* Three bytes are four characters: none of the signature is among these. */
		size_t n_before = strlen("v3.public.") + strlen(payload) / 3 * 4;
		assert_int_equal(secret_size(token), strlen(expected));
		assert_memory_equal(secret_peek(token), expected, n_before);
		n++;
		if (strcmp(name, "3-S-2") != 0)
			continue;
		assert_text(token, expected);
		n_whole++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(n_whole, 1);
}

static struct claims sample(enum operation operation) {
	static char crate[] = "foo", version[] = "0.1.0", checksum[] = SHA256, index[] = INDEX;
	struct claims claims = {.issued = ISSUED, .operation = operation, .index_url = index};

	if (operation == OPERATION_READ)
		return claims;
	claims.crate = crate;
	if (operation != OPERATION_OWNERS)
		claims.version = version;
	if (operation == OPERATION_PUBLISH)
		claims.checksum = checksum;
	return claims;
}

static void assert_token(const struct claims *claims, const char *expected) {
	_cleanup_(p384_key_freep) struct p384_key *key = key_of(SAMPLE);
	_cleanup_(secret_freep) struct secret *token = NULL;
	_cleanup_(freep) char *message = NULL;
	_cleanup_(freep) char *footer = NULL;

	assert_int_equal(claims_message(claims, &message), 0);
	assert_int_equal(claims_footer(claims, SAMPLE_ID, &footer), 0);
	assert_int_equal(paseto_sign(key, message, footer, "", &token), 0);
	assert_text(token, expected);
}

static void test_token_of_a_read_as_cargo_writes_it(void **state) {
	struct claims claims = sample(OPERATION_READ);

	(void) state;
	assert_token(&claims, READ_TOKEN);
}

static void test_token_of_a_publish_as_cargo_writes_it(void **state) {
	struct claims claims = sample(OPERATION_PUBLISH);
	char subject[] = "sub";

	(void) state;
	claims.subject = subject;
	assert_token(&claims, PUBLISH_TOKEN);
}

static void assert_message(const struct claims *claims, const char *expected) {
	_cleanup_(freep) char *message = NULL;

	assert_int_equal(claims_message(claims, &message), 0);
	assert_string_equal(message, expected);
}

#define IAT "{\"iat\":\"2022-02-28T18:33:24Z\""

static void test_message_has_the_claims_of_the_operation_in_cargos_order(void **state) {
	static const char *const expected[] = {
		[OPERATION_READ] = IAT "}",
		[OPERATION_PUBLISH] = IAT ",\"mutation\":\"publish\",\"name\":\"foo\",\"vers\":"
					  "\"0.1.0\",\"cksum\":\"" SHA256 "\"}",
		[OPERATION_YANK] =
			IAT ",\"mutation\":\"yank\",\"name\":\"foo\",\"vers\":\"0.1.0\"}",
		[OPERATION_UNYANK] =
			IAT ",\"mutation\":\"unyank\",\"name\":\"foo\",\"vers\":\"0.1.0\"}",
		[OPERATION_OWNERS] = IAT ",\"mutation\":\"owners\",\"name\":\"foo\"}",
	};
	char subject[] = "a/b", challenge[] = "c//d";

	(void) state;
	for (int i = 0; i < _OPERATION_MAX; i++) {
		struct claims claims = sample((enum operation) i);

		assert_message(&claims, expected[i]);
	}
	struct claims claims = sample(OPERATION_OWNERS);
	claims.subject = subject;
	claims.challenge = challenge;
	assert_message(&claims, IAT ",\"sub\":\"a/b\",\"mutation\":\"owners\",\"name\":\"foo\","
				    "\"challenge\":\"c//d\"}");
}

static void test_footer_has_the_url_as_it_came_and_either_name_of_the_id(void **state) {
	struct claims claims = sample(OPERATION_READ);
	char crates_io[] = CRATES_IO_INDEX;

	(void) state;
	for (int i = 0; i < _FOOTER_KEY_MAX; i++) {
		_cleanup_(freep) char *footer = NULL;

		claims.footer_key = (enum footer_key) i;
		assert_int_equal(claims_footer(&claims, SAMPLE_ID, &footer), 0);
		assert_string_equal(footer,
			i == FOOTER_KIP ? "{\"url\":\"" INDEX "\",\"kip\":\"" SAMPLE_ID "\"}"
					: "{\"url\":\"" INDEX "\",\"kid\":\"" SAMPLE_ID "\"}");
	}
	_cleanup_(freep) char *footer = NULL;
	claims.index_url = crates_io;
	claims.footer_key = FOOTER_KIP;
	assert_int_equal(claims_footer(&claims, SAMPLE_ID, &footer), 0);
	assert_string_equal(footer, "{\"url\":\"" CRATES_IO_INDEX "\",\"kip\":\"" SAMPLE_ID "\"}");
}

static void test_message_says_the_second_by_the_calendar(void **state) {
	static const struct {
		uint64_t issued;
		const char *message;
	} cases[] = {
		{0, "{\"iat\":\"1970-01-01T00:00:00Z\"}"},
		{951782400, "{\"iat\":\"2000-02-29T00:00:00Z\"}"},
		{4107542399, "{\"iat\":\"2100-02-28T23:59:59Z\"}"},
		{4107542400, "{\"iat\":\"2100-03-01T00:00:00Z\"}"},
		{253402300799, "{\"iat\":\"9999-12-31T23:59:59Z\"}"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct claims claims = sample(OPERATION_READ);

		claims.issued = cases[i].issued;
		assert_message(&claims, cases[i].message);
	}
}

static char *of_length(size_t size, char with) {
	char *text = malloc(size + 1);

	assert_non_null(text);
	memset(text, with, size);
	text[size] = '\0';
	return text;
}

/* Everything at its longest, so that whoever has to hold a token knows how long it gets. */
static void test_longest_token_has_the_length_that_is_said(void **state) {
	_cleanup_(freep) char *crate = of_length(64, 'a');
	_cleanup_(freep) char *version = of_length(150, '1');
	_cleanup_(freep) char *claim = of_length(256, 'x');
	_cleanup_(freep) char *url = of_length(URL_MAX, 'u');
	_cleanup_(freep) char *message = NULL;
	_cleanup_(freep) char *footer = NULL;
	_cleanup_(freep) char *canonical = NULL;
	struct claims claims = sample(OPERATION_PUBLISH);

	(void) state;
	memcpy(version, "1.1.1-", 6);
	memcpy(url, "sparse+https://h/", 17);
	assert_true(crate_name_is_valid(crate) && semver_is_valid(version));
	assert_true(claim_is_valid(claim));
	assert_int_equal(registry_url_canonical(url, &canonical), 0);
	claims.crate = crate;
	claims.version = version;
	claims.subject = claims.challenge = claim;
	claims.index_url = url;
	assert_int_equal(claims_message(&claims, &message), 0);
	assert_int_equal(claims_footer(&claims, SAMPLE_ID, &footer), 0);
	_cleanup_(p384_key_freep) struct p384_key *key = key_of(SAMPLE);
	_cleanup_(secret_freep) struct secret *token = NULL;
	assert_int_equal(paseto_sign(key, message, footer, "", &token), 0);
	assert_in_range(secret_size(token), SIGNED_TOKEN_MAX - 64, SIGNED_TOKEN_MAX);
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paseto_matches_the_vectors_of_public_tokens),
		cmocka_unit_test(test_token_of_a_read_as_cargo_writes_it),
		cmocka_unit_test(test_token_of_a_publish_as_cargo_writes_it),
		cmocka_unit_test(test_message_has_the_claims_of_the_operation_in_cargos_order),
		cmocka_unit_test(test_footer_has_the_url_as_it_came_and_either_name_of_the_id),
		cmocka_unit_test(test_message_says_the_second_by_the_calendar),
		cmocka_unit_test(test_longest_token_has_the_length_that_is_said),
	};

	/* No p384_begin: LeakSanitizer looks for no pointers in libcrypto's secure heap. */
	if (argc > 1 && setenv("CPUB_VECTORS", argv[1], 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
