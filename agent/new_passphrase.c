#include "new_passphrase.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/derive.h"
#include "agent/lent_secret.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "protocol/request.h"
#include "protocol/secret.h"

struct new_passphrase {
	struct session *session;
	struct lent_secret *reading;
	struct prompt *prompt;
	struct derive *derive;
	struct kdf kdf;
	new_passphrase_done_t done;
	void *userdata;
};

static void new_passphrase_fail(struct new_passphrase *new_passphrase, enum refusal refusal) {
	new_passphrase->done(refusal, NULL, NULL, new_passphrase->userdata);
}

static void new_passphrase_derived(
	enum refusal refusal, const struct secret *key, void *userdata) {
	struct new_passphrase *new_passphrase = userdata;

	if (refusal != REFUSAL_NONE)
		new_passphrase_fail(new_passphrase, refusal);
	else
		new_passphrase->done(
			REFUSAL_NONE, &new_passphrase->kdf, key, new_passphrase->userdata);
}

static void new_passphrase_given(
	struct new_passphrase *new_passphrase, const struct secret *passphrase) {
	int r;

	kdf_init(&new_passphrase->kdf);
	r = derive_new(new_passphrase->session->agent, &new_passphrase->kdf, passphrase,
		new_passphrase_derived, new_passphrase, &new_passphrase->derive);
	if (r < 0)
		new_passphrase_fail(new_passphrase, refusal_from_errno(r));
}

static void new_passphrase_read(enum refusal refusal, struct secret *secret, void *userdata) {
	_cleanup_(secret_freep) struct secret *passphrase = secret;
	struct new_passphrase *new_passphrase = userdata;

	if (refusal == REFUSAL_BAD_TOKEN)
		refusal = REFUSAL_BAD_PASSPHRASE;
	if (refusal != REFUSAL_NONE)
		new_passphrase_fail(new_passphrase, refusal);
	else
		new_passphrase_given(new_passphrase, passphrase);
}

static void new_passphrase_typed(
	enum refusal refusal, const struct secret *secret, void *userdata) {
	_cleanup_(secret_freep) struct secret *typed = NULL;
	struct new_passphrase *new_passphrase = userdata;

	if (refusal == REFUSAL_NONE && !secret)
		refusal = REFUSAL_WORKER_FAILED;
	if (refusal == REFUSAL_NONE &&
		secret_from(secret_peek(secret), secret_size(secret), &typed) < 0)
		refusal = REFUSAL_NO_MEMORY;
	/* The prompt's answer holds a copy. */
	new_passphrase->prompt = prompt_free(new_passphrase->prompt);
	if (refusal != REFUSAL_NONE)
		new_passphrase_fail(new_passphrase, refusal);
	else
		new_passphrase_given(new_passphrase, typed);
}

int new_passphrase_new(struct session *session, const char *text, new_passphrase_done_t done,
	void *userdata, struct new_passphrase **ret) {
	_cleanup_(new_passphrase_freep) struct new_passphrase *new_passphrase = NULL;
	const struct prompt_words words = {
		.question = QUESTION_NEW_PASSPHRASE,
		.text = text,
		.prompt = "New passphrase (^C cancels): ",
		.again = "The same again: ",
	};
	int r;

	new_passphrase = calloc(1, sizeof(*new_passphrase));
	if (!new_passphrase)
		return -ENOMEM;
	new_passphrase->session = session;
	new_passphrase->done = done;
	new_passphrase->userdata = userdata;
	if (session->request->secret_in_pipe)
		r = lent_secret_new(
			session, 0, new_passphrase_read, new_passphrase, &new_passphrase->reading);
	else
		r = prompt_new(session->agent, session->terminal, &words, new_passphrase_typed,
			new_passphrase, &new_passphrase->prompt);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(new_passphrase);
	return 0;
}

struct new_passphrase *new_passphrase_free(struct new_passphrase *new_passphrase) {
	if (!new_passphrase)
		return NULL;
	lent_secret_free(new_passphrase->reading);
	prompt_free(new_passphrase->prompt);
	derive_free(new_passphrase->derive);
	free(new_passphrase);
	return NULL;
}
