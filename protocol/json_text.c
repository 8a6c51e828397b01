#include "json_text.h"

#include <string.h>

bool json_text_utf8(const uint8_t **at, const uint8_t *end, uint32_t *ret) {
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *next = *at;
	uint32_t code = *next++;
	size_t n_more = 0;

	if (code >= 0xf0 && code <= 0xf4) {
		n_more = 3;
		code &= 0x07;
	} else if (code >= 0xe0 && code <= 0xef) {
		n_more = 2;
		code &= 0x0f;
	} else if (code >= 0xc2 && code <= 0xdf) {
		n_more = 1;
		code &= 0x1f;
	} else if (code >= 0x80) {
		return false;
	}

	if ((size_t) (end - next) < n_more)
		return false;
	for (size_t i = 0; i < n_more; i++) {
		if ((*next & 0xc0) != 0x80)
			return false;
		code = code << 6 | (*next++ & 0x3fu);
	}
	if (code < smallest[n_more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return false;

	*at = next;
	*ret = code;
	return true;
}

/* Takes the four hexadecimal digits of a \u escape. */
static bool escape_unit(struct json_text *rest, uint32_t *ret) {
	uint32_t unit = 0;

	if (rest->end - rest->at < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		uint8_t byte = *rest->at++;

		if (byte >= '0' && byte <= '9')
			unit = unit << 4 | (byte - '0');
		else if (byte >= 'a' && byte <= 'f')
			unit = unit << 4 | (byte - 'a' + 10u);
		else if (byte >= 'A' && byte <= 'F')
			unit = unit << 4 | (byte - 'A' + 10u);
		else
			return false;
	}
	*ret = unit;
	return true;
}

/* Takes what follows `\u`: one unit, or the two of a surrogate pair. */
static bool escape_code_point(struct json_text *rest, uint32_t *ret) {
	uint32_t code, low;

	if (!escape_unit(rest, &code))
		return false;
	/* A NUL would end the text early in every C string that it reaches. */
	if (code == 0)
		return false;
	if (code < 0xd800 || code > 0xdfff) {
		*ret = code;
		return true;
	}

	if (code > 0xdbff || rest->end - rest->at < 2 || memcmp(rest->at, "\\u", 2) != 0)
		return false;
	rest->at += 2;
	if (!escape_unit(rest, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*ret = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
	return true;
}

bool json_text_take(struct json_text *rest, uint32_t *ret) {
	static const char names[] = "\"\\/bfnrt";
	static const char values[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (*rest->at < 0x20)
		return false;
	if (*rest->at != '\\')
		return json_text_utf8(&rest->at, rest->end, ret);

	rest->at++;
	if (rest->at == rest->end)
		return false;
	if (*rest->at == 'u') {
		rest->at++;
		return escape_code_point(rest, ret);
	}
	name = memchr(names, *rest->at, sizeof(names) - 1);
	if (!name)
		return false;
	rest->at++;
	*ret = (uint8_t) values[name - names];
	return true;
}

/* The next code point of a name that was scanned before, -1 after the last. */
static int64_t text_next(struct json_text *rest) {
	uint32_t code;

	if (rest->at == rest->end || !json_text_take(rest, &code))
		return -1;
	return code;
}

int json_text_compare(const void *a, const void *b) {
	struct json_text left = *(const struct json_text *) a;
	struct json_text right = *(const struct json_text *) b;

	for (;;) {
		int64_t l = text_next(&left);
		int64_t r = text_next(&right);

		if (l != r)
			return l < r ? -1 : 1;
		if (l < 0)
			return 0;
	}
}
