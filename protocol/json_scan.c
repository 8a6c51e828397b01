#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

/*
 * The scanner does not recurse: `open` holds the containers around the current
 * place, so the depth is bounded by the array. Member names are kept as spans
 * of the text (never copies, for a document may hold a token); when an object
 * ends, its names are sorted as they read after unescaping, and equal
 * neighbours are duplicates. That costs n log n also for the worst input.
 */

/* More digits than this are precision that no parser keeps; cJSON reads 63 bytes. */
#define NUMBER_MAX 32
/* Up to here every whole number is exact as a double, and no further. */
#define WHOLE_MAX (UINT64_C(1) << 53)
/* Numbers with fraction or exponent stay below 10^15 and above 10^-300. */
#define MAGNITUDE_MAX 15
#define MAGNITUDE_MIN (-300)

struct container {
	bool is_object;
	size_t first_key;
};

struct scan {
	const uint8_t *at;
	const uint8_t *end;

	struct container open[JSON_DEPTH_MAX];
	size_t depth;

	/* Names of the objects open now, the innermost last. */
	struct json_text *keys;
	size_t n_keys;
	size_t keys_capacity;
};

static void scan_done(struct scan *scan) {
	free(scan->keys);
}

static bool is_digit(uint8_t byte) {
	return byte >= '0' && byte <= '9';
}

/* Takes a string with both its quotes and tells what lies between them. */
static bool scan_string(struct scan *scan, struct json_text *ret) {
	struct json_text rest = {scan->at, scan->end};
	const uint8_t *start;
	uint32_t code;

	if (rest.at == rest.end || *rest.at != '"')
		return false;
	start = ++rest.at;
	while (rest.at != rest.end && *rest.at != '"') {
		if (!json_text_take(&rest, &code))
			return false;
	}
	if (rest.at == rest.end)
		return false;

	*ret = (struct json_text){start, rest.at};
	scan->at = rest.at + 1;
	return true;
}

static int scan_keep_key(struct scan *scan, struct json_text key) {
	if (scan->n_keys == scan->keys_capacity) {
		size_t capacity = scan->keys_capacity > 0 ? scan->keys_capacity * 2 : 32;
		struct json_text *keys = reallocarray(scan->keys, capacity, sizeof(*keys));

		if (!keys)
			return -ENOMEM;
		scan->keys = keys;
		scan->keys_capacity = capacity;
	}
	scan->keys[scan->n_keys++] = key;
	return 0;
}

static void scan_space(struct scan *scan) {
	while (scan->at != scan->end &&
		(*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n'))
		scan->at++;
}

/* Takes that byte if it comes next. */
static bool scan_take(struct scan *scan, char byte) {
	if (scan->at == scan->end || *scan->at != (uint8_t) byte)
		return false;
	scan->at++;
	return true;
}

static size_t scan_digits(struct scan *scan) {
	size_t n = 0;

	for (; scan->at != scan->end && is_digit(*scan->at); n++)
		scan->at++;
	return n;
}

static bool scan_word(struct scan *scan, const char *word) {
	size_t size = strlen(word);

	if ((size_t) (scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
		return false;
	scan->at += size;
	return true;
}

/* Where the first digit that counts stands: 1 for 5.0, 3 for 512.0, -1 for 0.05, 0 for 0.0. */
static long number_magnitude(const char *mantissa) {
	size_t n_zeros;

	if (*mantissa != '0')
		return (long) strspn(mantissa, "0123456789");
	if (mantissa[1] != '.')
		return 0;
	n_zeros = strspn(mantissa + 2, "0");
	return is_digit((uint8_t) mantissa[2 + n_zeros]) ? -(long) n_zeros : 0;
}

/*
 * Of well-formed numbers only those are let through that 64-bit integers and
 * doubles both hold, as the case may be. Decided on the digits, since strtod
 * depends on the locale and rounds what we want to refuse.
 */
static bool number_is_portable(const uint8_t *bytes, size_t size, bool is_whole) {
	char text[NUMBER_MAX + 1];
	const char *mantissa = text;
	const char *exponent;
	long magnitude;

	if (size > NUMBER_MAX)
		return false;
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (*mantissa == '-')
		mantissa++;
	/* An overflow gives ULLONG_MAX, which is too large as well. */
	if (is_whole)
		return strtoull(mantissa, NULL, 10) <= WHOLE_MAX;

	magnitude = number_magnitude(mantissa);
	exponent = strpbrk(mantissa, "eE");
	if (exponent) {
		long power = strtol(exponent + 1, NULL, 10);

		/* Checked by itself first: the sum must not overflow. */
		if (power < 2 * MAGNITUDE_MIN || power > -2 * MAGNITUDE_MIN)
			return false;
		magnitude += power;
	}
	return magnitude >= MAGNITUDE_MIN && magnitude <= MAGNITUDE_MAX;
}

/* A digit after a leading zero is left standing, and fails as what follows the value. */
static bool scan_number(struct scan *scan) {
	const uint8_t *start = scan->at;
	bool is_whole = true;

	(void) scan_take(scan, '-'); /* The sign may be absent. */
	if (!scan_take(scan, '0') && scan_digits(scan) == 0)
		return false;
	if (scan_take(scan, '.')) {
		is_whole = false;
		if (scan_digits(scan) == 0)
			return false;
	}
	if (scan_take(scan, 'e') || scan_take(scan, 'E')) {
		is_whole = false;
		if (!scan_take(scan, '+'))
			(void) scan_take(scan, '-'); /* This one too. */
		if (scan_digits(scan) == 0)
			return false;
	}
	return number_is_portable(start, (size_t) (scan->at - start), is_whole);
}

/* Takes a member's name and the colon. */
static int scan_key(struct scan *scan) {
	struct json_text key;

	scan_space(scan);
	if (!scan_string(scan, &key))
		return -EBADMSG;
	scan_space(scan);
	if (!scan_take(scan, ':'))
		return -EBADMSG;
	return scan_keep_key(scan, key);
}

static int scan_open(struct scan *scan, bool is_object) {
	if (scan->depth == JSON_DEPTH_MAX)
		return -EBADMSG;
	scan->open[scan->depth++] = (struct container){is_object, scan->n_keys};
	return 0;
}

/* Ends the innermost container if its closing bracket comes next. Returns 1 then, else 0. */
static int scan_close(struct scan *scan) {
	const struct container *innermost = &scan->open[scan->depth - 1];
	size_t n_keys = scan->n_keys - innermost->first_key;

	scan_space(scan);
	if (!scan_take(scan, innermost->is_object ? '}' : ']'))
		return 0;
	if (n_keys > 1) {
		struct json_text *keys = scan->keys + innermost->first_key;

		qsort(keys, n_keys, sizeof(*keys), json_text_compare);
		for (size_t i = 1; i < n_keys; i++) {
			if (json_text_compare(&keys[i - 1], &keys[i]) == 0)
				return -EBADMSG;
		}
	}
	scan->n_keys = innermost->first_key;
	scan->depth--;
	return 1;
}

/* Returns 1 if now a value must begin, the first of a container; 0 if a value has just ended. */
static int scan_begin_value(struct scan *scan) {
	struct json_text string;
	bool is_object;
	int r;

	scan_space(scan);
	if (scan->at == scan->end)
		return -EBADMSG;
	if (*scan->at == '"')
		return scan_string(scan, &string) ? 0 : -EBADMSG;
	if (*scan->at == '-' || is_digit(*scan->at))
		return scan_number(scan) ? 0 : -EBADMSG;
	if (scan_word(scan, "true") || scan_word(scan, "false") || scan_word(scan, "null"))
		return 0;

	is_object = *scan->at == '{';
	if (!scan_take(scan, '{') && !scan_take(scan, '['))
		return -EBADMSG;
	r = scan_open(scan, is_object);
	if (r < 0)
		return r;
	r = scan_close(scan);
	if (r != 0)
		return r < 0 ? r : 0;
	if (is_object) {
		r = scan_key(scan);
		if (r < 0)
			return r;
	}
	return 1;
}

/* A value has ended. Returns 1 if the next one must begin, 0 if the document has ended. */
static int scan_after_value(struct scan *scan) {
	int r;

	while (scan->depth > 0) {
		r = scan_close(scan);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (!scan_take(scan, ','))
			return -EBADMSG;
		if (scan->open[scan->depth - 1].is_object) {
			r = scan_key(scan);
			if (r < 0)
				return r;
		}
		return 1;
	}
	scan_space(scan);
	return scan->at == scan->end ? 0 : -EBADMSG;
}

int json_scan(const char *text, size_t size) {
	_cleanup_(scan_done) struct scan scan = {.at = (const uint8_t *) text};
	int r;

	if (size == 0)
		return -EBADMSG;
	scan.end = scan.at + size;

	do {
		r = scan_begin_value(&scan);
		if (r == 0)
			r = scan_after_value(&scan);
	} while (r > 0);
	return r;
}
