/*
 *   LOADING --store read--> ASKING --typed--> WAITING --time--> DERIVING --key fits--> done
 *                             ^                                    |
 *                             +-------------- wrong ---------------+  (at most N_TRIES times)
 *
 * LOADING only for an unlock: the file may have changed while we were locked.
 * WAITING only on a connection that has given a wrong one: each makes the next
 * wait longer. A new connection begins afresh; what bounds a guesser with many
 * of them is that the agent derives one key at a time.
 */

#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/derive.h"
#include "agent/log.h"
#include "agent/prompt.h"
#include "agent/session.h"
#include "agent/store/store.h"
#include "protocol/secret.h"

#define N_TRIES 3
#define DELAY_FIRST_USEC (1 * USEC_PER_SEC)
#define DELAY_MAX_USEC (30 * USEC_PER_SEC)

struct passphrase {
	struct agent *agent;
	struct session *session;
	enum passphrase_use use;
	int terminal;
	char *text;
	/* What came with the request, until it is tried. */
	struct secret *given;
	bool is_given;
	int n_tries;
	/* The last one typed had no length that a passphrase has. */
	bool was_malformed;
	/* While WAITING. */
	struct secret *waiting;
	sd_event_source *wait;
	struct prompt *prompt;
	struct derive *derive;
	bool is_loading;
	passphrase_done_t done;
	void *userdata;
};

enum refusal store_refusal(int error) {
	switch (error) {
	case 0:
		return REFUSAL_NONE;
	case -ENOENT:
		return REFUSAL_STORE_GONE;
	case -EBADMSG:
		return REFUSAL_STORE_DAMAGED;
	case -ENOTSUP:
		return REFUSAL_STORE_NEWER;
	case -EACCES:
		return REFUSAL_STORE_LOOSE;
	case -ENOTUNIQ:
		return REFUSAL_STORE_OLDER;
	case -ESTALE:
		return REFUSAL_STORE_CHANGED;
	case -EEXIST:
		return REFUSAL_STORE_EXISTS;
	case -EAGAIN:
		return REFUSAL_LOCKED;
	case -ENOKEY:
		return REFUSAL_KEYRING_LOCKED;
	case -ENXIO:
		return REFUSAL_KEYRING_UNREACHABLE;
	case -ETIMEDOUT:
		return REFUSAL_KEYRING_TIMEOUT;
	case -ECANCELED:
		return REFUSAL_KEYRING_DENIED;
	case -EINPROGRESS:
		return REFUSAL_STORE_UNSURE;
	case -EBUSY:
	case -ENOMEM:
		return refusal_from_errno(error);
	default:
		return REFUSAL_STORE_FAILED;
	}
}

const char *store_refusal_detail(int error) {
	return store_refusal(error) == REFUSAL_STORE_FAILED ? strerror(-error) : NULL;
}

void store_settle(struct agent *agent, int error) {
	if (error == -ESTALE)
		agent_lock(agent, "the store was changed by another program");
	else if (error < 0 && store_state(agent->store) == STORE_UNKNOWN)
		agent_lock(agent, "what is stored is not known");
}

enum refusal store_trouble(const struct agent *agent) {
	switch (store_state(agent->store)) {
	case STORE_ABSENT:
		return REFUSAL_NO_STORE;
	case STORE_LOCKED:
	case STORE_OPEN:
		return REFUSAL_NONE;
	case STORE_UNKNOWN:
	case STORE_BROKEN:
		break;
	}
	return store_error(agent->store) == 0 ? REFUSAL_STORE_FAILED
					      : store_refusal(store_error(agent->store));
}

static void passphrase_finish(struct passphrase *passphrase, enum refusal refusal) {
	passphrase->done(refusal, passphrase->userdata);
}

static int passphrase_ask(struct passphrase *passphrase);

static void passphrase_wrong(struct passphrase *passphrase) {
	bool may_ask_again = !passphrase->is_given && passphrase->n_tries < N_TRIES;

	if (!may_ask_again || passphrase_ask(passphrase) < 0)
		passphrase_finish(passphrase, REFUSAL_WRONG_PASSPHRASE);
}

/* The next one on this connection has to wait. */
static void passphrase_punish(struct passphrase *passphrase) {
	struct session *session = passphrase->session;
	uint64_t delay = DELAY_FIRST_USEC;

	log_warning("a wrong passphrase was given");
	for (unsigned i = 0; i < session->n_wrong && delay < DELAY_MAX_USEC; i++)
		delay *= 2;
	if (delay > DELAY_MAX_USEC)
		delay = DELAY_MAX_USEC;
	session->n_wrong++;
	session->may_try_usec = agent_now_usec(session->agent) + delay;
}

static void passphrase_derived(
	enum refusal refusal, const struct secret *key, void *userdata) {
	struct passphrase *passphrase = userdata;
	struct store *store = passphrase->agent->store;
	int r;

	passphrase->derive = derive_free(passphrase->derive);
	if (refusal != REFUSAL_NONE) {
		passphrase_finish(passphrase, refusal);
		return;
	}
	if (passphrase->use == PASSPHRASE_UNLOCK && store_state(store) == STORE_LOCKED)
		r = store_unlock(store, key);
	else
		r = store_check_key(store, key);
	if (r == -EKEYREJECTED) {
		passphrase_punish(passphrase);
		passphrase_wrong(passphrase);
		return;
	}
	if (r >= 0)
		passphrase->session->n_wrong = 0;
	passphrase_finish(passphrase, store_refusal(r));
}

static void passphrase_derive(struct passphrase *passphrase, const struct secret *typed) {
	const struct kdf *kdf = store_kdf(passphrase->agent->store);
	int r;

	if (!kdf) {
		/* Locked or gone while the person was typing, or a store without a passphrase. */
		passphrase_finish(passphrase, REFUSAL_LOCKED);
		return;
	}
	r = derive_new(passphrase->agent, kdf, typed, passphrase_derived, passphrase,
		&passphrase->derive);
	if (r < 0)
		passphrase_finish(passphrase, refusal_from_errno(r));
}

static int passphrase_on_waited(sd_event_source *source, uint64_t usec, void *userdata) {
	struct passphrase *passphrase = userdata;
	_cleanup_(secret_freep) struct secret *typed = TAKE_PTR(passphrase->waiting);

	(void) source;
	(void) usec;
	passphrase->wait = sd_event_source_disable_unref(passphrase->wait);
	passphrase_derive(passphrase, typed);
	return 0;
}

/* Tries it, when it may. Takes it over. */
static void passphrase_try(struct passphrase *passphrase, struct secret *typed) {
	_cleanup_(secret_freep) struct secret *taken = typed;
	const struct session *session = passphrase->session;
	int r;

	passphrase->n_tries++;
	passphrase->was_malformed = false;
	if (session->n_wrong == 0 || agent_now_usec(session->agent) >= session->may_try_usec) {
		passphrase_derive(passphrase, taken);
		return;
	}
	passphrase->waiting = TAKE_PTR(taken);
	r = sd_event_add_time(session->agent->event, &passphrase->wait, CLOCK_BOOTTIME,
		session->may_try_usec, 0, passphrase_on_waited, passphrase);
	if (r < 0)
		passphrase_finish(passphrase, refusal_from_errno(r));
}

static void passphrase_typed(
	enum refusal refusal, const struct secret *secret, void *userdata) {
	_cleanup_(secret_freep) struct secret *typed = NULL;
	struct passphrase *passphrase = userdata;

	if (refusal == REFUSAL_NONE && !secret)
		refusal = REFUSAL_WORKER_FAILED;
	if (refusal == REFUSAL_NONE &&
		secret_from(secret_peek(secret), secret_size(secret), &typed) < 0)
		refusal = REFUSAL_NO_MEMORY;
	passphrase->prompt = prompt_free(passphrase->prompt);
	if (refusal == REFUSAL_BAD_TOKEN) { /* Empty or too long: a slip of the finger. */
		passphrase->n_tries++;
		passphrase->was_malformed = true;
		passphrase_wrong(passphrase);
	} else if (refusal != REFUSAL_NONE) {
		passphrase_finish(passphrase, refusal);
	} else {
		passphrase_try(passphrase, TAKE_PTR(typed));
	}
}

static int passphrase_ask(struct passphrase *passphrase) {
	_cleanup_(freep) char *again = NULL;
	struct prompt_words words = {
		.question = QUESTION_SECRET,
		.text = passphrase->text,
		.prompt = passphrase->use == PASSPHRASE_UNLOCK
			? "Passphrase to unlock cpub-agent (^C cancels): "
			: "Passphrase to approve (^C denies): ",
	};

	if (passphrase->n_tries > 0) {
		/* Another question may have come in between: say again what this one is about. */
		if (asprintf(&again, "cpub-agent: %s, please try again\n%s",
			    passphrase->was_malformed ? "a passphrase has 1 to 1024 bytes"
						      : "wrong passphrase",
			    passphrase->text ? passphrase->text : "") < 0)
			return -ENOMEM;
		words.text = again;
	}
	return prompt_new(passphrase->agent, passphrase->terminal, &words, passphrase_typed,
		passphrase, &passphrase->prompt);
}

/* Asks, or goes on with what was given. */
static int passphrase_begin(struct passphrase *passphrase) {
	if (!passphrase->is_given)
		return passphrase_ask(passphrase);
	passphrase_try(passphrase, TAKE_PTR(passphrase->given));
	return 0;
}

static void passphrase_loaded(int error, void *userdata) {
	struct passphrase *passphrase = userdata;
	enum refusal refusal;
	int r;

	(void) error; /* The state of the store says it better. */
	passphrase->is_loading = false;
	refusal = store_trouble(passphrase->agent);
	if (refusal != REFUSAL_NONE) {
		passphrase_finish(passphrase, refusal);
		return;
	}
	if (!store_kdf(passphrase->agent->store)) {
		/* No passphrase opens it: a store in memory that was locked. */
		passphrase_finish(passphrase, REFUSAL_LOCKED);
		return;
	}
	r = passphrase_begin(passphrase);
	if (r < 0)
		passphrase_finish(
			passphrase, r == -ENOTTY ? REFUSAL_LOCKED : refusal_from_errno(r));
}

static int passphrase_start(struct passphrase *passphrase) {
	struct store *store = passphrase->agent->store;
	int r;

	if (passphrase->use == PASSPHRASE_CONFIRM || store_state(store) == STORE_OPEN)
		return passphrase->is_given ? -EINVAL : passphrase_ask(passphrase);
	r = store_load(store, passphrase->terminal >= 0 || agent_has_display(),
		passphrase_loaded, passphrase);
	if (r == 0)
		passphrase->is_loading = true;
	return r;
}

int passphrase_new(struct session *session, enum passphrase_use use, int terminal, const char *text,
	struct secret *given, passphrase_done_t done, void *userdata, struct passphrase **ret) {
	_cleanup_(secret_freep) struct secret *taken = given;
	_cleanup_(passphrase_freep) struct passphrase *passphrase = NULL;
	int r;

	if (!taken && !prompt_is_possible(session->agent, terminal))
		return -ENOTTY;
	passphrase = calloc(1, sizeof(*passphrase));
	if (!passphrase)
		return -ENOMEM;
	passphrase->agent = session->agent;
	passphrase->session = session;
	passphrase->use = use;
	passphrase->terminal = -1;
	passphrase->done = done;
	passphrase->userdata = userdata;
	passphrase->is_given = taken != NULL;
	passphrase->given = TAKE_PTR(taken);
	if (text) {
		passphrase->text = strdup(text);
		if (!passphrase->text)
			return -ENOMEM;
	}
	if (terminal >= 0) {
		passphrase->terminal = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
		if (passphrase->terminal < 0)
			return -errno;
	}
	r = passphrase_start(passphrase);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(passphrase);
	return 0;
}

struct passphrase *passphrase_free(struct passphrase *passphrase) {
	if (!passphrase)
		return NULL;
	if (passphrase->is_loading)
		store_forget_callback(passphrase->agent->store, passphrase);
	prompt_free(passphrase->prompt);
	derive_free(passphrase->derive);
	sd_event_source_disable_unref(passphrase->wait);
	secret_free(passphrase->waiting);
	secret_free(passphrase->given);
	(void) fd_close(passphrase->terminal);
	free(passphrase->text);
	free(passphrase);
	return NULL;
}
