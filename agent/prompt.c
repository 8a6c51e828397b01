#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/log.h"
#include "protocol/secret.h"

/* The worker ends in good order a little before the core would end it. */
#define MARGIN_USEC (2 * USEC_PER_SEC)
/* On all terminals together; each holds descriptors. */
#define PROMPTS_MAX 16
#define SAY_DEADLINE_USEC (5 * USEC_PER_SEC)

struct prompt {
	struct agent *agent;
	struct prompt *next, **link;
	int terminal;
	/* Which terminal; 0 for the askpass program, of which there is one at a time, too. */
	unsigned device;
	struct fields *task;
	struct job *job;
	sd_event_source *deadline;
	prompt_done_t done;
	void *userdata;
	bool is_alone; /* prompt_say: nobody owns it */
	bool has_failed;
};

bool prompt_is_possible(const struct agent *agent, int terminal) {
	return terminal >= 0 || agent->askpass;
}

static void prompt_unlink(struct prompt *prompt) {
	if (!prompt->link)
		return;
	*prompt->link = prompt->next;
	if (prompt->next)
		prompt->next->link = prompt->link;
	prompt->link = NULL;
	prompt->next = NULL;
}

/* Appends, so that those who wait are served in their order. */
static void prompt_link(struct prompt *prompt) {
	struct prompt **link = &prompt->agent->prompts;

	while (*link)
		link = &(*link)->next;
	*link = prompt;
	prompt->link = link;
}

static bool is_first(const struct prompt *prompt) {
	for (const struct prompt *p = prompt->agent->prompts; p != prompt; p = p->next) {
		if (p->device == prompt->device)
			return false;
	}
	return true;
}

static int prompt_start(struct prompt *prompt);

/* A terminal is free: the next in line has it. */
static void prompts_go_on(struct agent *agent, unsigned device) {
	for (struct prompt *p = agent->prompts; p; p = p->next) {
		if (p->device != device)
			continue;
		if (!p->job && prompt_start(p) < 0) {
			/* Not from here: whoever called us may be in the midst of ending another. */
			log_warning("a waiting question could not be asked");
			p->has_failed = true;
			(void) sd_event_source_set_time_relative(p->deadline, 0);
		}
		return;
	}
}

/* Leaves the line and calls back: the last act of whoever calls this. */
static void prompt_finish(
	struct prompt *prompt, enum refusal refusal, const struct secret *secret) {
	struct agent *agent = prompt->agent;
	unsigned device = prompt->device;

	prompt_unlink(prompt);
	prompt->deadline = sd_event_source_disable_unref(prompt->deadline);
	prompts_go_on(agent, device);
	if (prompt->is_alone)
		prompt_free(prompt);
	else
		prompt->done(refusal, secret, prompt->userdata);
}

static void prompt_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	_cleanup_(secret_freep) struct secret *secret = NULL;
	struct prompt *prompt = userdata;
	int r;

	(void) detail;
	if (refusal == REFUSAL_NONE) {
		r = fields_get_secret(answer, FIELD_SECRET, &secret);
		if (r < 0 && r != -ENOENT)
			refusal = r == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_WORKER_FAILED;
	} else if (refusal == REFUSAL_WORKER_TIMEOUT) {
		refusal = REFUSAL_PROMPT_TIMEOUT;
	}
	prompt_finish(prompt, refusal, secret);
}

static int prompt_on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
	struct prompt *prompt = userdata;

	(void) source;
	(void) usec;
	prompt_finish(
		prompt, prompt->has_failed ? REFUSAL_BUSY : REFUSAL_PROMPT_TIMEOUT, NULL);
	return 0;
}

static int prompt_start(struct prompt *prompt) {
	uint64_t usec = prompt->is_alone ? SAY_DEADLINE_USEC : PROMPT_DEADLINE_USEC;

	return job_new(prompt->agent, WORKER_ASK, TAKE_PTR(prompt->task), &prompt->terminal,
		prompt->terminal >= 0 ? 1 : 0, usec, prompt_answered, prompt, &prompt->job);
}

static int fill_task(struct prompt *prompt, const struct prompt_words *words) {
	uint64_t usec = PROMPT_DEADLINE_USEC - MARGIN_USEC;
	int r;

	r = fields_new(&prompt->task);
	if (r < 0)
		return r;
	r = fields_put_u64(prompt->task, FIELD_QUESTION, words->question);
	if (r == 0)
		r = fields_put_string(prompt->task, FIELD_TEXT, words->text);
	if (r == 0)
		r = fields_put_string(prompt->task, FIELD_PROMPT, words->prompt);
	if (r == 0)
		r = fields_put_string(prompt->task, FIELD_PROMPT_AGAIN, words->again);
	if (r == 0)
		r = fields_put_string(prompt->task, FIELD_EXPECT, words->expect);
	if (r == 0)
		r = fields_put_u64(prompt->task, FIELD_TIMEOUT_MSEC, usec / USEC_PER_MSEC);
	if (r == 0 && prompt->terminal < 0)
		r = fields_put_string(prompt->task, FIELD_ASKPASS, prompt->agent->askpass);
	return r;
}

static bool terminal_is_busy(const struct agent *agent, unsigned device) {
	for (struct prompt *p = agent->prompts; p; p = p->next) {
		if (p->device == device)
			return true;
	}
	return false;
}

static int take_terminal(struct prompt *prompt, int terminal) {
	unsigned device;

	if (terminal < 0)
		return 0;
	prompt->terminal = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
	if (prompt->terminal < 0)
		return -errno;
	/* Not st_rdev: a client opens /dev/tty, which is one device for everybody. */
	if (ioctl(prompt->terminal, TIOCGDEV, &device) == 0)
		prompt->device = device;
	else /* It has hung up: the worker finds that, too, and has a word for it. */
		prompt->device = 0;
	return 0;
}

static int prompt_prepare(struct agent *agent, int terminal, const struct prompt_words *words,
	struct prompt **ret) {
	_cleanup_(prompt_freep) struct prompt *prompt = NULL;
	int r;

	prompt = calloc(1, sizeof(*prompt));
	if (!prompt)
		return -ENOMEM;
	prompt->agent = agent;
	prompt->terminal = -1;
	r = take_terminal(prompt, terminal);
	if (r < 0)
		return r;
	r = fill_task(prompt, words);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(prompt);
	return 0;
}

/* Gets in line, and begins if it is the first. */
static int prompt_enter(struct prompt *prompt) {
	struct agent *agent = prompt->agent;
	bool must_wait = terminal_is_busy(agent, prompt->device);
	size_t n = 0;
	int r;

	for (const struct prompt *p = agent->prompts; p; p = p->next)
		n++;
	if (n >= PROMPTS_MAX)
		return -EBUSY;
	prompt_link(prompt);
	r = sd_event_add_time_relative(agent->event, &prompt->deadline, CLOCK_MONOTONIC,
		PROMPT_DEADLINE_USEC + MARGIN_USEC, 0, prompt_on_deadline, prompt);
	if (r < 0)
		return r;
	return must_wait ? 0 : prompt_start(prompt);
}

int prompt_new(struct agent *agent, int terminal, const struct prompt_words *words,
	prompt_done_t done, void *userdata, struct prompt **ret) {
	_cleanup_(prompt_freep) struct prompt *prompt = NULL;
	int r;

	if (!prompt_is_possible(agent, terminal))
		return -ENOTTY;
	r = prompt_prepare(agent, terminal, words, &prompt);
	if (r < 0)
		return r;
	prompt->done = done;
	prompt->userdata = userdata;
	r = prompt_enter(prompt);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(prompt);
	return 0;
}

void prompt_say(struct agent *agent, int terminal, const char *text) {
	const struct prompt_words words = {.question = QUESTION_SAY, .text = text};
	_cleanup_(prompt_freep) struct prompt *prompt = NULL;

	/* The log and the audit have it as well. */
	if (terminal < 0 || prompt_prepare(agent, terminal, &words, &prompt) < 0)
		return;
	prompt->is_alone = true;
	if (prompt_enter(prompt) < 0)
		return;
	prompt = NULL; /* It frees itself when it was said. */
}

struct prompt *prompt_free(struct prompt *prompt) {
	struct agent *agent;
	unsigned device;
	bool was_first;

	if (!prompt)
		return NULL;
	agent = prompt->agent;
	device = prompt->device;
	was_first = prompt->link && is_first(prompt);
	prompt_unlink(prompt);
	job_free(prompt->job);
	sd_event_source_disable_unref(prompt->deadline);
	fields_free(prompt->task);
	(void) fd_close(prompt->terminal);
	free(prompt);
	if (was_first)
		prompts_go_on(agent, device);
	return NULL;
}
