/*
 * `import`: where the tokens stand in a lent file of cargo's, never the tokens
 * themselves. The file goes to a worker as it is. Or what cargo keeps in the
 * keyring: import_keyring.c.
 */

#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/handle/handle.h"
#include "agent/job.h"
#include "agent/session.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* Shorter than our own client waits, so that it hears why. */
#define DEADLINE_USEC (5 * USEC_PER_SEC)

struct import {
	struct session *session;
	struct job *job;
};

static void import_free(void *operation) {
	struct import *import = operation;

	job_free(import->job);
	free(import);
}

/* One find, written as it is taken: an answer that was begun can still be dropped. */
static int import_write_one(
	const struct fields *answer, uint8_t tag, struct json_writer *writer) {
	_cleanup_(fields_freep) struct fields *found = NULL;
	_cleanup_(freep) char *key = NULL;
	_cleanup_(freep) char *name = NULL;
	uint64_t line, start, end, is_simple, is_asymmetric;
	const uint8_t *bytes;
	size_t size;
	int r;

	r = fields_get(answer, tag, &bytes, &size);
	if (r == 0)
		r = fields_parse(bytes, size, &found);
	if (r < 0)
		return r;
	if (fields_get_string(found, FIELD_TOML_KEY, &key) < 0 ||
		fields_get_string(found, FIELD_REGISTRY, &name) < 0 ||
		fields_get_u64(found, FIELD_LINE, &line) < 0 ||
		fields_get_u64(found, FIELD_START, &start) < 0 ||
		fields_get_u64(found, FIELD_END, &end) < 0 ||
		fields_get_u64(found, FIELD_IS_SIMPLE, &is_simple) < 0 ||
		fields_get_u64(found, FIELD_IS_ASYMMETRIC, &is_asymmetric) < 0)
		return -EBADMSG;
	json_write_object(writer, NULL);
	json_write_string(writer, "key", key);
	json_write_string(writer, "name", name);
	json_write_string(writer, "type", is_asymmetric ? "asymmetric" : "bearer");
	json_write_integer(writer, "line", (int64_t) line);
	json_write_integer(writer, "start", (int64_t) start);
	json_write_integer(writer, "end", (int64_t) end);
	json_write_bool(writer, "simple", is_simple);
	json_write_object_end(writer);
	return 0;
}

static int import_write(const struct fields *answer, struct json_writer *writer) {
	int r = 0;

	reply_ok_begin(writer, KIND_IMPORT);
	json_write_array(writer, "tokens");
	for (unsigned i = 0; r == 0 && i < FOUND_MAX; i++)
		r = import_write_one(answer, (uint8_t) (FIELD_FOUND + i), writer);
	if (r < 0 && r != -ENOENT) /* The first tag that is not there is the end. */
		return r;
	json_write_array_end(writer);
	reply_ok_end(writer);
	return 0;
}

static void import_listed(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct import *import = userdata;
	struct session *session = import->session;
	int r;

	if (refusal != REFUSAL_NONE) {
		session_refuse(session, refusal, detail);
		return;
	}
	r = import_write(answer, session_answer(session, false));
	if (r == -EBADMSG)
		session_refuse(session, REFUSAL_WORKER_FAILED, NULL);
	else if (r < 0)
		session_fail(session, r, "listing a file's tokens");
	else
		session_send(session);
}

void import_handle(struct session *session) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	struct import *import;
	int r;

	if (session->request->from_keyring) {
		import_keyring_handle(session);
		return;
	}
	if (!session->file) {
		session_refuse(session, REFUSAL_BAD_DESCRIPTOR, NULL);
		return;
	}
	import = calloc(1, sizeof(*import));
	if (!import) {
		session_refuse(session, REFUSAL_NO_MEMORY, NULL);
		return;
	}
	import->session = session;
	session_set_operation(session, import, import_free);
	r = fields_new(&task);
	if (r == 0)
		r = job_new(session->agent, WORKER_IMPORT, TAKE_PTR(task), NULL, 0,
			DEADLINE_USEC, import_listed, import, &import->job);
	if (r == 0)
		r = job_lend(import->job, session->file);
	if (r < 0)
		session_fail(session, r, "reading a file's tokens");
}
