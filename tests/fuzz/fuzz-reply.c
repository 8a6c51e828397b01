/*
 * What reply_parse takes is either an Ok or a refusal with a text, never both
 * and never neither; and what we write of a refusal reads as the same again.
 */

#include <errno.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/reply.h"
#include "tests/fuzz/fuzz.h"

static bool same(const char *a, const char *b) {
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_plain(enum refusal refusal) {
	return refusal == REFUSAL_NOT_FOUND || refusal == REFUSAL_URL_NOT_SUPPORTED ||
	       refusal == REFUSAL_OPERATION_NOT_SUPPORTED;
}

static void check_written(const struct reply *reply) {
	_cleanup_(json_writer_done) struct json_writer writer;
	_cleanup_(reply_freep) struct reply *again = NULL;

	json_writer_init(&writer, false);
	reply_refusal(&writer, reply->refusal, reply->message, reply->detail);
	check(json_writer_finish(&writer) == 0);
	check(reply_parse(json_writer_bytes(&writer), writer.size, &again) == 0);
	check(!again->ok && again->refusal == reply->refusal);
	/* cargo's own refusals have no texts to keep. */
	check(is_plain(reply->refusal) || same(again->message, reply->message));
	check(is_plain(reply->refusal) ? !again->detail : same(again->detail, reply->detail));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	_cleanup_(reply_freep) struct reply *reply = NULL;
	int r = reply_parse((const char *) bytes, size, &reply);

	check(r == 0 || r == -EBADMSG);
	check((r == 0) == (reply != NULL));
	if (r < 0)
		return 0;
	if (reply->ok) {
		check(json_is_object(reply->ok));
		check(reply->refusal == REFUSAL_NONE && !reply->message && !reply->detail);
		return 0;
	}
	check(reply->message);
	check(reply->refusal == _REFUSAL_INVALID ||
		(reply->refusal > REFUSAL_NONE && reply->refusal < _REFUSAL_MAX));
	if (reply->refusal != _REFUSAL_INVALID)
		check_written(reply);
	return 0;
}
