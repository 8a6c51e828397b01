#include "line-model.h"

#include <string.h>

#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "tests/fuzz/fuzz.h"

static void append(uint8_t **bytes, size_t *size, const void *more, size_t n_more) {
	*bytes = realloc(*bytes, *size + n_more);
	check(*bytes);
	memcpy(*bytes + *size, more, n_more);
	*size += n_more;
}

/* One answer, and what the request had lent goes with it. */
static void model_say(struct line_model *model, struct json_writer *writer) {
	check(json_writer_finish(writer) == 0);
	append(&model->said, &model->n_said, json_writer_bytes(writer), writer->size);
	model->waiting = request_free(model->waiting);
	model->has_pipe = false;
}

static void model_refuse(struct line_model *model, enum refusal refusal) {
	_cleanup_(json_writer_done) struct json_writer writer;

	json_writer_init(&writer, false);
	reply_refusal(&writer, refusal, NULL, NULL);
	model_say(model, &writer);
}

static void model_break(struct line_model *model, enum refusal refusal) {
	model_refuse(model, refusal);
	model->is_closed = true;
}

static void model_answer(struct line_model *model) {
	_cleanup_(json_writer_done) struct json_writer writer;

	json_writer_init(&writer, false);
	line_model_answer(&writer, model->waiting, model->has_terminal, model->has_pipe);
	model_say(model, &writer);
}

static void model_run(struct line_model *model, const uint8_t *line, size_t size) {
	int r = request_parse((const char *) line, size, &model->waiting);

	check(r >= 0);
	if (r == REFUSAL_BAD_REQUEST || r == REFUSAL_BAD_VERSION)
		model_break(model, (enum refusal) r);
	else if (r > 0)
		model_refuse(model, (enum refusal) r);
	else if (model->waiting->kind != LINE_MODEL_WAITS)
		model_answer(model);
}

/* Runs lines as long as there are whole ones and none waits for its answer. */
static void model_run_lines(struct line_model *model) {
	while (!model->is_closed && !model->waiting && model->n_left > 0) {
		size_t n = model->n_left < REQUEST_MAX ? model->n_left : REQUEST_MAX;
		const uint8_t *end = memchr(model->left, '\n', n);

		if (!end) {
			if (n == REQUEST_MAX)
				model_break(model, REFUSAL_LINE_TOO_LONG);
			return;
		}
		n = (size_t) (end - model->left);
		model_run(model, model->left, n);
		model->n_left -= n + 1;
		memmove(model->left, end + 1, model->n_left);
	}
}

void line_model_init(struct line_model *model) {
	*model = (struct line_model){0};
	append(&model->said, &model->n_said, REPLY_GREETING, strlen(REPLY_GREETING));
}

void line_model_done(struct line_model *model) {
	free(model->left);
	free(model->said);
	request_free(model->waiting);
}

void line_model_send(struct line_model *model, const uint8_t *bytes, size_t size, enum lent lent) {
	const uint8_t *end = memchr(bytes, '\n', size);
	/* They belong to one line, which begins with them and is the last one that is there. */
	bool has_place = model->n_left == 0 && (!end || end + 1 == bytes + size);

	switch (lent) {
	case LENT_NOTHING:
		has_place = true;
		break;
	case LENT_PIPE:
		model->has_pipe = true;
		break;
	case LENT_TERMINAL:
		has_place = has_place && !model->has_terminal;
		model->has_terminal = true;
		break;
	case LENT_ODD:
	case LENT_MANY:
	case _LENT_MAX:
		has_place = false;
		break;
	}
	if (!has_place) {
		model_break(model, REFUSAL_BAD_DESCRIPTOR);
		return;
	}
	append(&model->left, &model->n_left, bytes, size);
	model_run_lines(model);
}

void line_model_go_on(struct line_model *model) {
	model_answer(model);
	model_run_lines(model);
}

void line_model_answer(struct json_writer *writer, const struct request *request, bool has_terminal,
	bool has_pipe) {
	_cleanup_(json_writer_done) struct json_writer text;

	json_writer_init(&text, false);
	request_write(&text, request);
	check(json_writer_finish(&text) == 0);
	reply_ok_begin(writer, request->kind);
	json_write_bool(writer, "terminal", has_terminal);
	json_write_bool(writer, "pipe", has_pipe);
	json_write_bool(writer, "token", request->token);
	json_write_bytes(writer, "request", json_writer_bytes(&text), text.size - 1);
	reply_ok_end(writer);
}
