/*
 * What the scanner takes, cJSON has to take as well, and what we write of it
 * has to pass the scanner again.
 */

#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "tests/fuzz/fuzz.h"

/* Numbers and words are written as 1: the writer has no fractions, and shape is what matters. */
static void write_again(struct json_writer *writer, const struct json *value, int depth) {
	const char *name = json_name(value);

	if (json_string(value)) {
		json_write_string(writer, name, json_string(value));
		return;
	}
	if (!json_is_object(value) && !json_is_array(value)) {
		json_write_integer(writer, name, 1);
		return;
	}

	check(depth < JSON_DEPTH_MAX);
	if (json_is_object(value))
		json_write_object(writer, name);
	else
		json_write_array(writer, name);
	for (const struct json *child = json_first(value); child; child = json_next(child)) {
		if (json_name(child))
			check(json_member(value, json_name(child)) == child);
		write_again(writer, child, depth + 1);
	}
	if (json_is_object(value))
		json_write_object_end(writer);
	else
		json_write_array_end(writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(json_freep) struct json *root = NULL;
	_cleanup_(json_freep) struct json *again = NULL;
	_cleanup_(json_writer_done) struct json_writer writer;
	const char *text = (const char *) bytes;
	int r;

	/* The secret writer is tried on some inputs only, for it is slow. */
	json_writer_init(&writer, size % 16 == 0);
	r = json_scan(text, size);
	check(r == 0 || r == -EBADMSG);
	check(json_parse(text, size, &root) == r);
	if (r < 0)
		return 0;

	write_again(&writer, root, 0);
	check(json_writer_finish(&writer) == 0);
	check(json_parse(json_writer_bytes(&writer), writer.size, &again) == 0);
	check(json_n_elements(again) == json_n_elements(root));
	if (json_string(root))
		check(strcmp(json_string(again), json_string(root)) == 0);
	return 0;
}
