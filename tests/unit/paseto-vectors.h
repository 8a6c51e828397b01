#pragma once

/*
 * The test vectors of PASETO and PASERK (https://github.com/paseto-standard/test-vectors) are no
 * part of this project: they are read from $CPUB_PASETO, or from shared/vectors/paseto beside the
 * source tree, where somebody put them there.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "protocol/cleanup.h"
#include "protocol/json.h"
#include "protocol/secret.h"

/* The list of one file; the test is skipped, and says so, where it is not there. */
static inline struct json *paseto_vectors(const char *file) {
	const char *folder = getenv("CPUB_PASETO"), *ours = getenv("CPUB_VECTORS");
	char path[4096], text[64 * 1024];
	struct json *root = NULL;

	if (folder)
		(void) snprintf(path, sizeof(path), "%s/%s", folder, file);
	else
		(void) snprintf(path, sizeof(path), "%s/../../../shared/vectors/paseto/%s",
			ours ? ours : "tests/vectors", file);
	_cleanup_(file_closep) FILE *stream = fopen(path, "re");
	if (!stream) {
		print_message("# SKIP: no '%s'; set CPUB_PASETO to where it is\n", path);
		skip();
	}
	size_t size = fread(text, 1, sizeof(text), stream);
	assert_true(size < sizeof(text));
	assert_int_equal(json_parse(text, size, &root), 0);
	return root;
}

static inline const struct json *first_vector(const struct json *root) {
	const struct json *tests = json_member(root, "tests");

	assert_true(json_n_elements(tests) > 0);
	return json_first(tests);
}

static inline bool must_fail(const struct json *vector) {
	bool fails;

	assert_int_equal(json_get_bool(vector, "expect-fail", &fails), 0);
	return fails;
}

/* Bytes out of hexadecimal digits: how many. */
static inline size_t from_hex(const char *hex, uint8_t *ret, size_t room) {
	size_t n = 0;

	assert_non_null(hex);
	for (; hex[2 * n]; n++) {
		unsigned byte;

		assert_true(n < room);
		assert_int_equal(sscanf(hex + 2 * n, "%2x", &byte), 1);
		ret[n] = (uint8_t) byte;
	}
	return n;
}
