#include "token_entry.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/cargo_keyring.h"
#include "agent/file_secret.h"
#include "agent/lent_secret.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "protocol/names.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct token_entry {
	struct session *session;
	sd_event_source *given;
	struct lent_secret *pipe;
	struct file_secret *file;
	struct cargo_keyring *keyring;
	struct prompt *prompt;
	token_entry_done_t done;
	void *userdata;
};

bool token_entry_is_given(const struct request *request) {
	return request->token || request->secret_in_pipe || token_entry_is_lasting(request);
}

bool token_entry_is_lasting(const struct request *request) {
	return request->secret_in_file || request->secret_in_keyring;
}

/* Takes the token over. */
static void token_entry_finish(struct token_entry *entry, enum refusal refusal,
	const char *detail, struct secret *token) {
	_cleanup_(secret_freep) struct secret *taken = token;

	if (refusal == REFUSAL_NONE && token_is_private_key(secret_peek(taken), secret_size(taken)))
		refusal = REFUSAL_TOKEN_IS_KEY;
	if (refusal == REFUSAL_NONE && !token_is_valid(secret_peek(taken), secret_size(taken)))
		refusal = REFUSAL_BAD_TOKEN;
	entry->done(refusal, detail, refusal == REFUSAL_NONE ? TAKE_PTR(taken) : NULL,
		entry->userdata);
}

static int token_entry_on_given(sd_event_source *source, void *userdata) {
	struct token_entry *entry = userdata;

	(void) source;
	token_entry_finish(entry, REFUSAL_NONE, NULL, TAKE_PTR(entry->session->request->token));
	return 0;
}

static void token_entry_read(enum refusal refusal, struct secret *secret, void *userdata) {
	struct token_entry *entry = userdata;

	entry->pipe = lent_secret_free(entry->pipe);
	token_entry_finish(entry, refusal, NULL, secret);
}

static void token_entry_taken(enum refusal refusal, struct secret *secret, void *userdata) {
	struct token_entry *entry = userdata;

	entry->file = file_secret_free(entry->file);
	token_entry_finish(entry, refusal, NULL, secret);
}

static void token_entry_fetched(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct token_entry *entry = userdata;
	struct secret *token = NULL;

	if (refusal == REFUSAL_NONE) {
		int r = fields_get_secret(answer, FIELD_SECRET, &token);

		if (r < 0)
			refusal = r == -ENOMEM ? REFUSAL_NO_MEMORY : REFUSAL_WORKER_FAILED;
	}
	token_entry_finish(entry, refusal, detail, token);
}

static void token_entry_typed(enum refusal refusal, const struct secret *secret, void *userdata) {
	_cleanup_(secret_freep) struct secret *token = NULL;
	struct token_entry *entry = userdata;

	if (refusal == REFUSAL_NONE && !secret)
		refusal = REFUSAL_BAD_TOKEN;
	if (refusal == REFUSAL_NONE &&
		secret_from(secret_peek(secret), secret_size(secret), &token) < 0)
		refusal = REFUSAL_NO_MEMORY;
	/* The prompt's answer holds a copy. */
	entry->prompt = prompt_free(entry->prompt);
	token_entry_finish(entry, refusal, NULL, TAKE_PTR(token));
}

static int token_entry_ask(struct token_entry *entry, const char *host) {
	_cleanup_(freep) char *prompt = NULL;
	struct prompt_words words = {.question = QUESTION_SECRET};
	struct session *session = entry->session;

	if (asprintf(&prompt, "Token for %s (not shown, ^C cancels): ", host) < 0) {
		prompt = NULL;
		return -ENOMEM;
	}
	words.prompt = prompt;
	return prompt_new(session->agent, session->terminal, &words, token_entry_typed, entry,
		&entry->prompt);
}

int token_entry_new(struct session *session, const char *host, token_entry_done_t done,
	void *userdata, struct token_entry **ret) {
	_cleanup_(token_entry_freep) struct token_entry *entry = NULL;
	const struct request *request = session->request;
	int r;

	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->session = session;
	entry->done = done;
	entry->userdata = userdata;
	if (request->token)
		r = sd_event_add_defer(
			session->agent->event, &entry->given, token_entry_on_given, entry);
	else if (request->secret_in_pipe)
		r = lent_secret_new(session, 0, token_entry_read, entry, &entry->pipe);
	else if (request->secret_in_file)
		r = file_secret_new(session, request->secret_in_file, token_entry_taken, entry,
			&entry->file);
	else if (request->secret_in_keyring)
		r = cargo_keyring_new(session, KEYRING_CARGO_TAKE, request->secret_in_keyring, NULL,
			token_entry_fetched, entry, &entry->keyring);
	else
		r = token_entry_ask(entry, host);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(entry);
	return 0;
}

struct token_entry *token_entry_free(struct token_entry *entry) {
	if (!entry)
		return NULL;
	sd_event_source_disable_unref(entry->given);
	lent_secret_free(entry->pipe);
	file_secret_free(entry->file);
	cargo_keyring_free(entry->keyring);
	prompt_free(entry->prompt);
	free(entry);
	return NULL;
}
