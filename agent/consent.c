#include "consent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "agent/agent.h"
#include "agent/passphrase.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "agent/unattended.h"

struct consent {
	struct prompt *prompt;
	struct passphrase *passphrase;
	sd_event_source *free_pass;
	consent_done_t done;
	void *userdata;
};

enum protection agent_protection(const struct agent *agent) {
	if (strcmp(store_medium_name(agent->store), "memory") == 0)
		return PROTECTION_MEMORY;
	return unattended_is_enough(agent) ? PROTECTION_UNATTENDED : PROTECTION_PASSPHRASE;
}

static void consent_prompted(
	enum refusal refusal, const struct secret *secret, void *userdata) {
	struct consent *consent = userdata;

	(void) secret; /* y/N has none. */
	consent->done(refusal, consent->userdata);
}

static void consent_checked(enum refusal refusal, void *userdata) {
	struct consent *consent = userdata;

	consent->done(refusal, consent->userdata);
}

static int consent_on_free_pass(sd_event_source *source, void *userdata) {
	struct consent *consent = userdata;

	(void) source;
	consent->done(REFUSAL_NONE, consent->userdata);
	return 0;
}

static int ask_yes_no(struct consent *consent, struct agent *agent, int terminal,
	const char *text, const char *question) {
	_cleanup_(freep) char *prompt = NULL;
	struct prompt_words words = {.question = QUESTION_YES_NO, .text = text};

	if (asprintf(&prompt, "%s [y/N] ", question) < 0)
		return -ENOMEM;
	words.prompt = prompt;
	return prompt_new(agent, terminal, &words, consent_prompted, consent, &consent->prompt);
}

int consent_new(struct session *session, enum act act, int terminal, const char *text,
	const char *question, consent_done_t done, void *userdata, struct consent **ret) {
	_cleanup_(consent_freep) struct consent *consent = NULL;
	struct agent *agent = session->agent;
	int r = 0;

	consent = calloc(1, sizeof(*consent));
	if (!consent)
		return -ENOMEM;
	consent->done = done;
	consent->userdata = userdata;
	switch (approval_for(act, agent_protection(agent))) {
	case APPROVAL_FREE:
		r = sd_event_add_defer(
			agent->event, &consent->free_pass, consent_on_free_pass, consent);
		break;
	case APPROVAL_YES_NO:
		r = ask_yes_no(consent, agent, terminal, text, question);
		break;
	case APPROVAL_PASSPHRASE:
		r = passphrase_new(session, PASSPHRASE_CONFIRM, terminal, text, NULL,
			consent_checked, consent, &consent->passphrase);
		break;
	case APPROVAL_REFUSED:
		r = -EPERM;
		break;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(consent);
	return 0;
}

struct consent *consent_free(struct consent *consent) {
	if (!consent)
		return NULL;
	prompt_free(consent->prompt);
	passphrase_free(consent->passphrase);
	sd_event_source_disable_unref(consent->free_pass);
	free(consent);
	return NULL;
}
