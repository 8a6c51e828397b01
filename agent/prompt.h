#pragma once

/*
 * A question to a person: on the terminal that the connection lent, or by the
 * askpass program of the agent's own start environment. One at a time per
 * terminal; others wait their turn. Asked by worker-ask; calls back once.
 */

#include <stdbool.h>

#include "agent/work/frame.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct agent;
struct prompt;
struct secret;

/* How long a person has for one question, the wait for the terminal included. */
#define PROMPT_DEADLINE_USEC (15 * 60 * (uint64_t) 1000000)

/*
 * REFUSAL_NONE is the yes; `secret` is then what was typed (NULL for yes/no),
 * borrowed. The callback may free the prompt as its last act.
 */
typedef void (*prompt_done_t)(enum refusal refusal, const struct secret *secret, void *userdata);

struct prompt_words {
	enum question question;
	const char *text;   /* lines shown first; may be NULL */
	const char *prompt; /* the line on which is typed */
	const char *again;  /* QUESTION_NEW_PASSPHRASE: the second time */
	const char *expect; /* QUESTION_TYPE: what must be typed */
};

/*
 * `terminal` is borrowed and duplicated; -1 for none. All words must be printable.
 * Returns 0 and the prompt in *ret (caller frees), -ENOTTY if there is no way
 * to ask, or another negative errno; then there is no callback.
 */
int prompt_new(struct agent *agent, int terminal, const struct prompt_words *words,
	prompt_done_t done, void *userdata, struct prompt **ret);
struct prompt *prompt_free(struct prompt *prompt);
DEFINE_CLEANUP(struct prompt, prompt_free)

/* Is there a way to ask a question: a terminal, or an askpass program? */
bool prompt_is_possible(const struct agent *agent, int terminal);

/* Shows a text on the terminal if it can be shown soon; nobody waits for that. */
void prompt_say(struct agent *agent, int terminal, const char *text);
