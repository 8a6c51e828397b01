/* What ends a run: see publish.h. */

#include "publish.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/reply.h"

static char *copy(const char *text) {
	return text ? strdup(text) : NULL;
}

bool publish_fail_as(struct publish *publish, enum exit_code exit_code, const char *code,
	const char *format, ...) {
	struct trouble *trouble = &publish->trouble;
	va_list values;

	if (trouble->is_there)
		return false;
	trouble->is_there = true;
	trouble->exit_code = exit_code;
	trouble->code = copy(code);
	va_start(values, format);
	if (vasprintf(&trouble->message, format, values) < 0)
		trouble->message = NULL;
	va_end(values);
	return false;
}

bool publish_fail(
	struct publish *publish, enum refusal refusal, const char *message, const char *detail) {
	if (publish->trouble.is_there)
		return false;
	(void) publish_fail_as(publish, refusal_exit_code(refusal), refusal_name(refusal), "%s",
		message ? message : refusal_sentence(refusal));
	publish->trouble.detail = copy(detail);
	return false;
}

bool publish_fail_errno(struct publish *publish, int error, const char *what) {
	enum refusal refusal = error == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_INTERNAL;

	return publish_fail(publish, refusal,
		error == -ENOMEM ? "there is not enough memory" : what,
		error == -ENOMEM ? NULL : strerror(-error));
}

bool publish_said(struct publish *publish, enum exit_code exit_code) {
	publish->trouble.is_there = true;
	publish->trouble.is_said = true;
	publish->trouble.exit_code = exit_code;
	return false;
}

bool publish_fail_reply(struct publish *publish, const struct reply *reply) {
	const char *code = json_string(json_member(json_member(reply->json, "Err"), "code"));

	if (reply->refusal != _REFUSAL_INVALID)
		return publish_fail(publish, reply->refusal, reply->message, reply->detail);
	(void) publish_fail_as(publish, EXIT_FAILED, code ? code : "unknown", "%s", reply->message);
	publish->trouble.detail = copy(reply->detail);
	return false;
}

bool publish_speaks(const struct publish *publish) {
	const struct print *print = &publish->command->print;

	return !print->is_json && !print->is_quiet;
}
