/*
 * worker-ask: puts one question to a person, on the terminal that came with the
 * task or by a dialogue program. It blocks for minutes, so it is a process.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "agent/work/sandbox.h"
#include "agent/work/worker.h"
#include "askpass.h"
#include "deadline.h"
#include "protocol/secret.h"
#include "terminal.h"

/* How often a new passphrase is asked when the two do not agree. */
#define N_ROUNDS 3

struct ask {
	enum question question;
	char *text;
	char *prompt;
	char *prompt_again;
	char *expect;
	char *program;
	uint64_t deadline_usec;
	/* NULL: the program is asked. */
	struct terminal *terminal;
};

static void ask_done(struct ask *ask) {
	ask->terminal = terminal_close(ask->terminal);
	free(ask->text);
	free(ask->prompt);
	free(ask->prompt_again);
	free(ask->expect);
	free(ask->program);
}

/* 0, also if it is absent and *ret stays NULL; or a negative errno. */
static int ask_read_text(const struct fields *task, enum field field, char **ret) {
	int r = fields_get_string(task, field, ret);
	return r == -ENOENT ? 0 : r;
}

static int ask_read_deadline(const struct fields *task, uint64_t *ret) {
	uint64_t msec;

	int r = fields_get_u64(task, FIELD_TIMEOUT_MSEC, &msec);
	if (r == -ENOENT) {
		*ret = DEADLINE_NEVER;
		return 0;
	}
	if (r < 0)
		return r;
	*ret = deadline_after_msec(msec);
	return 0;
}

/* Fills `ask` (ended by ask_done in any case) from the task. 0 or a negative errno. */
static int ask_read_task(const struct fields *task, struct ask *ask) {
	static const enum field names[] = {
		FIELD_TEXT, FIELD_PROMPT, FIELD_PROMPT_AGAIN, FIELD_EXPECT, FIELD_ASKPASS};
	char **texts[] = {
		&ask->text, &ask->prompt, &ask->prompt_again, &ask->expect, &ask->program};
	uint64_t question;

	int r = fields_get_u64(task, FIELD_QUESTION, &question);
	if (r < 0)
		return r;
	if (question >= _QUESTION_MAX)
		return -EBADMSG;
	ask->question = (enum question) question;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		r = ask_read_text(task, names[i], texts[i]);
		if (r < 0)
			return r;
	}
	if (ask->question != QUESTION_SAY && !ask->prompt)
		return -EBADMSG;
	if (ask->question == QUESTION_TYPE && !ask->expect)
		return -EBADMSG;
	return ask_read_deadline(task, &ask->deadline_usec);
}

static const char *ask_text(const struct ask *ask) {
	return ask->text ? ask->text : "";
}

/* Takes the terminal or finds that there is a program; the sandbox is chosen by that. */
static enum refusal ask_open(struct ask *ask, const int *fds, size_t n_fds) {
	if (n_fds > 1)
		return REFUSAL_INTERNAL;
	if (n_fds == 0 && (!ask->program || ask->question == QUESTION_SAY))
		return REFUSAL_NEEDS_TERMINAL;

	int r = sandbox_enter(n_fds == 1 ? SANDBOX_ASK_TERMINAL : SANDBOX_ASK_PROGRAM);
	if (r < 0)
		return refusal_from_errno(r);
	return n_fds == 1 ? terminal_open(fds[0], ask->deadline_usec, &ask->terminal)
			  : REFUSAL_NONE;
}

/* Shows the text on the terminal; a program gets it with the question. */
static enum refusal ask_begin(struct ask *ask) {
	if (!ask->terminal)
		return REFUSAL_NONE;
	if (ask->question == QUESTION_SAY)
		return terminal_say(ask->terminal, ask_text(ask));

	enum refusal refusal = terminal_hush(ask->terminal);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = terminal_ring(ask->terminal);
	if (refusal != REFUSAL_NONE)
		return refusal;
	return terminal_say(ask->terminal, ask_text(ask));
}

/* One line; *ret is NULL for an empty one. */
static enum refusal ask_line(
	struct ask *ask, const char *prompt, bool is_shown, struct secret **ret) {
	if (ask->terminal)
		return terminal_read(ask->terminal, prompt, is_shown, ret);
	return askpass_read(ask->program, ask_text(ask), prompt, ask->deadline_usec, ret);
}

static bool line_is(const struct secret *line, const char *text, bool is_exact) {
	size_t size = strlen(text);

	if (!line || secret_size(line) != size)
		return false;
	const char *bytes = (const char *) secret_peek(line);
	return (is_exact ? strncmp(bytes, text, size) : strncasecmp(bytes, text, size)) == 0;
}

static enum refusal ask_yes_no(struct ask *ask) {
	_cleanup_(secret_freep) struct secret *line = NULL;

	if (!ask->terminal)
		return askpass_confirm(
			ask->program, ask_text(ask), ask->prompt, ask->deadline_usec);
	enum refusal refusal = ask_line(ask, ask->prompt, true, &line);
	/* A page of text is an answer, too, and not a yes. */
	if (refusal == REFUSAL_BAD_TOKEN)
		return REFUSAL_DENIED;
	if (refusal != REFUSAL_NONE)
		return refusal;
	return line_is(line, "y", false) || line_is(line, "yes", false) ? REFUSAL_NONE
									: REFUSAL_DENIED;
}

static enum refusal ask_type(struct ask *ask) {
	_cleanup_(secret_freep) struct secret *line = NULL;

	enum refusal refusal = ask_line(ask, ask->prompt, true, &line);
	if (refusal == REFUSAL_BAD_TOKEN)
		return REFUSAL_DENIED;
	if (refusal != REFUSAL_NONE)
		return refusal;
	return line_is(line, ask->expect, true) ? REFUSAL_NONE : REFUSAL_DENIED;
}

static enum refusal ask_secret(struct ask *ask, struct secret **ret) {
	_cleanup_(secret_freep) struct secret *line = NULL;

	enum refusal refusal = ask_line(ask, ask->prompt, false, &line);
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (!line)
		return REFUSAL_BAD_TOKEN;
	*ret = TAKE_PTR(line);
	return REFUSAL_NONE;
}

/*
 * One round. REFUSAL_NONE and *ret; REFUSAL_BAD_PASSPHRASE and in *ret_why what
 * was wrong with it, for the person; or a refusal that ends the question.
 */
static enum refusal ask_twice(struct ask *ask, struct secret **ret, const char **ret_why) {
	_cleanup_(secret_freep) struct secret *first = NULL;
	_cleanup_(secret_freep) struct secret *second = NULL;

	enum refusal refusal = ask_line(ask, ask->prompt, false, &first);
	if (refusal == REFUSAL_NONE && first)
		refusal = ask_line(
			ask, ask->prompt_again ? ask->prompt_again : ask->prompt, false, &second);
	if (refusal == REFUSAL_BAD_TOKEN) {
		*ret_why = "it is longer than 1024 bytes";
		return REFUSAL_BAD_PASSPHRASE;
	}
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (!first) {
		*ret_why = "it is empty";
		return REFUSAL_BAD_PASSPHRASE;
	}
	if (!second || !secret_equal(first, second)) {
		*ret_why = "the two are not the same";
		return REFUSAL_BAD_PASSPHRASE;
	}
	*ret = TAKE_PTR(first);
	return REFUSAL_NONE;
}

static enum refusal ask_new_passphrase(struct ask *ask, struct secret **ret, char **ret_detail) {
	const char *why = NULL;

	for (int i = 0; i < N_ROUNDS; i++) {
		enum refusal refusal = ask_twice(ask, ret, &why);
		if (refusal != REFUSAL_BAD_PASSPHRASE)
			return refusal;
		if (!ask->terminal)
			continue;
		refusal = terminal_say(ask->terminal, why);
		if (refusal != REFUSAL_NONE)
			return refusal;
	}
	*ret_detail = strdup(why); /* A refusal without a detail is one, too. */
	return REFUSAL_BAD_PASSPHRASE;
}

static enum refusal ask_question(struct ask *ask, struct secret **ret, char **ret_detail) {
	enum refusal refusal = ask_begin(ask);
	if (refusal != REFUSAL_NONE)
		return refusal;

	switch (ask->question) {
	case QUESTION_SAY:
		return REFUSAL_NONE;
	case QUESTION_YES_NO:
		return ask_yes_no(ask);
	case QUESTION_TYPE:
		return ask_type(ask);
	case QUESTION_SECRET:
		return ask_secret(ask, ret);
	case QUESTION_NEW_PASSPHRASE:
		return ask_new_passphrase(ask, ret, ret_detail);
	case _QUESTION_MAX:
		break;
	}
	return REFUSAL_INTERNAL;
}

static enum refusal ask_work(struct fields *task, const int *fds, size_t n_fds,
	struct fields *answer, char **ret_detail) {
	_cleanup_(ask_done) struct ask ask = {0};
	_cleanup_(secret_freep) struct secret *secret = NULL;

	int r = ask_read_task(task, &ask);
	if (r < 0)
		return refusal_from_errno(r);
	enum refusal refusal = ask_open(&ask, fds, n_fds);
	if (refusal != REFUSAL_NONE)
		return refusal;
	refusal = ask_question(&ask, &secret, ret_detail);
	if (refusal != REFUSAL_NONE || !secret)
		return refusal;
	r = fields_put_secret(answer, FIELD_SECRET, secret);
	return r < 0 ? refusal_from_errno(r) : REFUSAL_NONE;
}

int main(void) {
	return worker_run(ask_work);
}
