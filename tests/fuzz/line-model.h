#pragma once

/*
 * What one connection has to do, said in the plainest way: bytes are kept until
 * there is a line, lines are answered in turn, and some peers get a last word.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/kind.h"
#include "protocol/refusal.h"

struct json_writer;
struct request;

/* A request of this kind is answered only when somebody says so; all others at once. */
#define LINE_MODEL_WAITS KIND_LIST

/* What goes along with some bytes. */
enum lent {
	LENT_NOTHING,
	LENT_PIPE,
	LENT_TERMINAL,
	LENT_ODD,
	LENT_MANY,
	_LENT_MAX,
};

struct line_model {
	/* Sent, and no part of a request yet. */
	uint8_t *left;
	size_t n_left;
	/* All that the peer has to hear. */
	uint8_t *said;
	size_t n_said;
	/* The request that waits for its answer, or NULL. */
	struct request *waiting;
	bool has_terminal, has_pipe;
	bool is_closed;
};

/* The connection is new: only the greeting has been said. */
void line_model_init(struct line_model *model);
void line_model_done(struct line_model *model);

/* The peer sends this. Descriptors only while no request waits. */
void line_model_send(struct line_model *model, const uint8_t *bytes, size_t size, enum lent lent);
/* The request that waits is answered. */
void line_model_go_on(struct line_model *model);

/* The answer that tells all that a request came with. */
void line_model_answer(struct json_writer *writer, const struct request *request, bool has_terminal,
	bool has_pipe);
