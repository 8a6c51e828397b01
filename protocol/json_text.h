#pragma once

/*
 * The inside of one JSON string, as a span of the document: its code points
 * without copying it, for it may be a token. Behind json_scan and the writer.
 */

#include <stdbool.h>
#include <stdint.h>

struct json_text {
	const uint8_t *at;
	const uint8_t *end;
};

/*
 * Takes one code point of strict UTF-8 at *at, which lies before `end`. Returns
 * false, and moves nothing, for a truncated or overlong form, a surrogate, or
 * anything above U+10FFFF.
 */
bool json_text_utf8(const uint8_t **at, const uint8_t *end, uint32_t *ret);

/*
 * Takes one code point, escaped or not, out of a text that is not at its end;
 * an unescaped quote is the caller's to find. Returns false for what a strict
 * string cannot hold: then the place is lost and the document bad.
 */
bool json_text_take(struct json_text *rest, uint32_t *ret);

/* Orders two well-formed texts by their code points, for qsort. 0 if they read the same. */
int json_text_compare(const void *a, const void *b);
