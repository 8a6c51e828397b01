/*
 * Fields that parse are kept byte for byte, each tag is found once at most, and
 * put into a new set one by one they give the same values.
 */

#include <errno.h>
#include <string.h>

#include "agent/fields.h"
#include "protocol/secret.h"
#include "tests/fuzz/fuzz.h"

/* Every reader on one tag. Returns whether it is there. */
static bool try_tag(
	const struct fields *fields, uint8_t tag, const uint8_t **ret, size_t *ret_size) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	_cleanup_(freep) char *text = NULL;
	uint64_t number;
	int r;

	r = fields_get(fields, tag, ret, ret_size);
	check(r == 0 || r == -ENOENT);
	if (r < 0) {
		check(fields_get_string(fields, tag, &text) == -ENOENT);
		check(fields_get_u64(fields, tag, &number) == -ENOENT);
		check(fields_get_secret(fields, tag, &secret) == -ENOENT);
		return false;
	}
	check(*ret >= fields_bytes(fields));
	check(*ret + *ret_size <= fields_bytes(fields) + fields_size(fields));
	r = fields_get_string(fields, tag, &text);
	check(r == (memchr(*ret, '\0', *ret_size) ? -EBADMSG : 0));
	check(r < 0 || strlen(text) == *ret_size);
	check(fields_get_u64(fields, tag, &number) == (*ret_size == 8 ? 0 : -EBADMSG));
	check(fields_get_secret(fields, tag, &secret) == (*ret_size > 0 ? 0 : -EBADMSG));
	check(!secret || secret_size(secret) == *ret_size);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(fields_freep) struct fields *fields = NULL;
	_cleanup_(fields_freep) struct fields *copy = NULL;
	int r;

	r = fields_parse(bytes, size, &fields);
	check(r == 0 || r == -EBADMSG || r == -E2BIG);
	if (r < 0) {
		check(!fields);
		return 0;
	}
	check(fields_size(fields) == size);
	check(size == 0 || memcmp(fields_bytes(fields), bytes, size) == 0);

	check(fields_new(&copy) == 0);
	for (unsigned tag = 0; tag <= UINT8_MAX; tag++) {
		const uint8_t *value, *copied;
		size_t value_size, copied_size;

		if (!try_tag(fields, (uint8_t) tag, &value, &value_size))
			continue;
		check(fields_put(copy, (uint8_t) tag, value, value_size) == 0);
		check(fields_put(copy, (uint8_t) tag, value, value_size) == -EEXIST);
		check(fields_get(copy, (uint8_t) tag, &copied, &copied_size) == 0);
		check(copied_size == value_size && memcmp(copied, value, value_size) == 0);
	}
	/* Nothing was in there but these. */
	check(fields_size(copy) == size);
	return 0;
}
