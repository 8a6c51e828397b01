/*
 * {"Ok":{"kind":"get","token":…,"cache":"never","operation_independent":false}}
 * {"Ok":{"kind":"…", members of the kind}}
 * {"Err":{"kind":"not-found"}}
 * {"Err":{"kind":"other","message":"what","caused-by":["why"],"code":"stable-name"}}
 *
 * The shapes are cargo's (cargo-credential, lib.rs and error.rs); `code` is
 * ours, and cargo ignores members that it does not know.
 */

#include "reply.h"

#include <errno.h>
#include <string.h>

#include "json.h"

void reply_ok_begin(struct json_writer *writer, enum kind kind) {
	json_write_object(writer, NULL);
	json_write_object(writer, "Ok");
	json_write_string(writer, "kind", kind_row(kind)->name);
}

void reply_ok_end(struct json_writer *writer) {
	json_write_object_end(writer);
	json_write_object_end(writer);
}

void reply_refusal(struct json_writer *writer, enum refusal refusal, const char *message,
	const char *detail) {
	bool is_plain = refusal == REFUSAL_NOT_FOUND || refusal == REFUSAL_URL_NOT_SUPPORTED ||
		refusal == REFUSAL_OPERATION_NOT_SUPPORTED;

	json_write_object(writer, NULL);
	json_write_object(writer, "Err");
	json_write_string(writer, "kind", is_plain ? refusal_name(refusal) : "other");
	if (!is_plain) {
		json_write_string(
			writer, "message", message ? message : refusal_sentence(refusal));
		json_write_array(writer, "caused-by");
		if (detail)
			json_write_string(writer, NULL, detail);
		json_write_array_end(writer);
		json_write_string(writer, "code", refusal_name(refusal));
	}
	json_write_object_end(writer);
	json_write_object_end(writer);
}

void reply_token(struct json_writer *writer, const void *token, size_t size, bool may_cache) {
	reply_ok_begin(writer, KIND_GET);
	json_write_bytes(writer, "token", token, size);
	json_write_string(writer, "cache", may_cache ? "session" : "never");
	json_write_bool(writer, "operation_independent", false);
	reply_ok_end(writer);
}

static int read_refusal(struct reply *reply, const struct json *error) {
	const char *kind, *code;
	int r;

	r = json_get_string(error, "kind", &kind);
	if (r < 0)
		return -EBADMSG;
	r = json_get_string(error, "code", &code);
	if (r < 0)
		code = kind;
	reply->refusal = refusal_from_name(code);
	if (reply->refusal == REFUSAL_NONE)
		return -EBADMSG;
	r = json_get_string(error, "message", &reply->message);
	if (r < 0)
		reply->message = reply->refusal == _REFUSAL_INVALID
			? "the agent refused, and this program is too old to know why; update it"
			: refusal_sentence(reply->refusal);
	reply->detail = json_string(json_element(json_member(error, "caused-by"), 0));
	return 0;
}

int reply_parse(const char *line, size_t size, struct reply **ret) {
	_cleanup_(reply_freep) struct reply *reply = NULL;
	int r;

	reply = calloc(1, sizeof(*reply));
	if (!reply)
		return -ENOMEM;
	r = json_parse(line, size, &reply->json);
	if (r < 0)
		return r;
	reply->ok = json_member(reply->json, "Ok");
	if (!json_is_object(reply->ok)) {
		reply->ok = NULL;
		r = read_refusal(reply, json_member(reply->json, "Err"));
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(reply);
	return 0;
}

struct reply *reply_free(struct reply *reply) {
	if (!reply)
		return NULL;
	json_free(reply->json);
	free(reply);
	return NULL;
}
