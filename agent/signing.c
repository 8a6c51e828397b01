#include "signing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent/account.h"
#include "agent/agent.h"
#include "agent/challenge_book.h"
#include "agent/clock.h"
#include "agent/job.h"
#include "agent/keypair.h"
#include "agent/log.h"
#include "agent/mandate.h"
#include "agent/net_task.h"
#include "agent/prompt.h"
#include "agent/store/store.h"
#include "protocol/names.h"
#include "protocol/secret.h"

#define CLOCK_TIMEOUT_USEC (2 * USEC_PER_SEC)
#define SIGN_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define MARGIN_USEC USEC_PER_SEC

struct signing {
	struct agent *agent;
	struct signing *next, **link;
	struct account *account; /* without what is private */
	struct keypair *key;	 /* of an account that is not stored */
	struct fields *task;	 /* for worker-sign, all but time and key */
	int terminal;
	bool is_api_silent; /* it was asked what time it is, and did not tell */
	bool is_over; /* the store was locked meanwhile */
	sd_event_source *begin;
	struct job *job;
	signing_done_t done;
	void *userdata;
};

static void signing_finish(
	struct signing *signing, enum refusal refusal, const char *detail, struct secret *token) {
	signing->job = job_free(signing->job);
	signing->done(refusal, detail, token, signing->userdata);
}

static void signing_signed(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	_cleanup_(secret_freep) struct secret *token = NULL;
	_cleanup_(freep) char *words = detail ? strdup(detail) : NULL;
	struct signing *signing = userdata;

	if (refusal == REFUSAL_NONE &&
		(fields_get_secret(answer, FIELD_TOKEN, &token) < 0 ||
			!signed_token_is_valid(secret_peek(token), secret_size(token)))) {
		log_warning("worker-sign gave no token");
		token = secret_free(token);
		refusal = REFUSAL_WORKER_FAILED;
	}
	if (refusal == REFUSAL_BAD_KEY) /* It is our own, and so was it when it was stored. */
		refusal = REFUSAL_STORE_DAMAGED;
	if (refusal == REFUSAL_NONE && signing->is_over) {
		token = secret_free(token);
		refusal = REFUSAL_LOCKED;
	}
	signing_finish(signing, refusal, words, TAKE_PTR(token));
}

/* The account as it is now, with its key. REFUSAL_NONE and *ret (caller frees). */
static enum refusal signing_open(const struct signing *signing, struct account **ret) {
	_cleanup_(account_freep) struct account *account = NULL;
	const struct account *asked = signing->account;
	int r;

	r = store_find(signing->agent->store, asked->url, asked->name, true, &account);
	if (r < 0)
		return mandate_find_refusal(r);
	if (!account_is_same(asked, account) || !account_signs(account))
		return REFUSAL_NOT_APPROVED;
	*ret = TAKE_PTR(account);
	return REFUSAL_NONE;
}

static int signing_put_key(struct signing *signing, const struct keypair *key) {
	int r = fields_put_secret(signing->task, FIELD_PASERK, key->secret);

	if (r == 0)
		r = fields_put_string(signing->task, FIELD_PUBLIC, key->public);
	return r < 0 ? r : fields_put_u64(signing->task, FIELD_ISSUED, (uint64_t) time(NULL));
}

/* Last of all the key. */
static void signing_sign(struct signing *signing) {
	_cleanup_(account_freep) struct account *account = NULL;
	enum refusal refusal = REFUSAL_NONE;
	int r;

	if (signing->is_over)
		refusal = REFUSAL_LOCKED;
	else if (!signing->key)
		refusal = signing_open(signing, &account);
	if (refusal != REFUSAL_NONE) {
		signing_finish(signing, refusal, NULL, NULL);
		return;
	}
	r = signing_put_key(signing, signing->key ? signing->key : account->key);
	if (r == 0)
		r = job_new(signing->agent, WORKER_SIGN, TAKE_PTR(signing->task), NULL, 0,
			SIGN_TIMEOUT_USEC, signing_signed, signing, &signing->job);
	if (r < 0)
		signing_finish(signing, refusal_from_errno(r), NULL, NULL);
}

static bool signing_knows_clock(
	const struct signing *signing, int64_t *ret_ahead, bool *ret_is_of_api) {
	return clock_is_known(signing->agent, signing->account->url, signing->account->name,
		ret_ahead, ret_is_of_api);
}

static void signing_warn(const struct signing *signing, int64_t ahead) {
	_cleanup_(freep) char *text = NULL;
	int64_t size = ahead < 0 ? -ahead : ahead;

	log_warning("this machine's clock is %" PRId64 " s %s that of '%s'", size,
		ahead < 0 ? "ahead of" : "behind", signing->account->url);
	if (signing->terminal >= 0 &&
		asprintf(&text, "cpub-agent: this machine's clock is %" PRId64 " s %s the registry's\n",
			size, ahead < 0 ? "ahead of" : "behind") >= 0)
		prompt_say(signing->agent, signing->terminal, text);
}

/* Has the API told what is known, or a host that is also the API's? Of another it is a warning. */
static bool signing_counts(const struct signing *signing, bool is_of_api) {
	const struct account *account = signing->account;
	_cleanup_(freep) char *index = NULL;
	_cleanup_(freep) char *api = NULL;

	return is_of_api || !signing->is_api_silent || (url_host(account->url, &index) == 0 &&
						  url_host(account->api, &api) == 0 &&
						  strcmp(index, api) == 0);
}

/* What is known of the registry's clock by now decides. */
static void signing_compare(struct signing *signing) {
	_cleanup_(freep) char *detail = NULL;
	bool is_of_api = false;
	int64_t ahead = 0;

	if (signing_knows_clock(signing, &ahead, &is_of_api)) {
		if (signing_counts(signing, is_of_api) &&
			(ahead > CLOCK_WRONG_SEC || ahead < -CLOCK_WRONG_SEC)) {
			if (asprintf(&detail, "by %" PRId64 " seconds, ours is %s",
				    ahead < 0 ? -ahead : ahead, ahead < 0 ? "ahead" : "behind") < 0)
				detail = NULL;
			signing_finish(signing, REFUSAL_CLOCK_WRONG, detail, NULL);
			return;
		}
		if (ahead > CLOCK_WARNING_SEC || ahead < -CLOCK_WARNING_SEC)
			signing_warn(signing, ahead);
	}
	signing_sign(signing);
}

static void signing_told(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	struct signing *signing = userdata;
	uint64_t date = 0;

	(void) detail;
	if (refusal == REFUSAL_NONE && fields_get_u64(answer, FIELD_DATE, &date) == 0)
		clock_learn(signing->agent, signing->account->url, signing->account->name, date,
			true);
	else
		signing->is_api_silent = true;
	if (signing->is_api_silent && !signing->is_over)
		log_warning("the registry '%s' did not tell its time (%s), going on",
			signing->account->url, refusal_name(refusal));
	signing->job = job_free(signing->job);
	signing_compare(signing);
}

/* A plain question, by nobody in particular: any answer has a date. */
static int signing_ask_clock(struct signing *signing) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	const struct account *account = signing->account;
	int r = net_task_new(ERRAND_CLOCK, account->api, account->ca_pem, account->proxy,
		CLOCK_TIMEOUT_USEC, &task);

	if (r < 0)
		return r;
	return job_new(signing->agent, WORKER_NET, TAKE_PTR(task), NULL, 0,
		CLOCK_TIMEOUT_USEC + MARGIN_USEC, signing_told, signing, &signing->job);
}

static int signing_on_begin(sd_event_source *source, void *userdata) {
	(void) source;
	signing_compare(userdata);
	return 0;
}

static int signing_fill(struct signing *signing, const struct signing_ask *ask) {
	struct fields *task;
	int r = fields_new(&signing->task);

	if (r < 0)
		return r;
	task = signing->task;
	r = fields_put_u64(task, FIELD_SIGN_ERRAND, SIGN_REQUEST);
	if (r == 0)
		r = fields_put_u64(task, FIELD_OPERATION, ask->operation);
	if (r == 0)
		r = fields_put_u64(task, FIELD_FOOTER_KEY, ask->account->footer_key);
	if (r == 0)
		r = fields_put_string(task, FIELD_INDEX_URL,
			ask->index_url ? ask->index_url : ask->account->index);
	if (r == 0)
		r = fields_put_string(task, FIELD_SUBJECT, ask->account->subject);
	if (r == 0)
		r = fields_put_string(task, FIELD_CHALLENGE, ask->challenge);
	if (r == 0)
		r = fields_put_string(task, FIELD_CRATE, ask->crate);
	if (r == 0)
		r = fields_put_string(task, FIELD_VERSION, ask->version);
	return r < 0 ? r : fields_put_string(task, FIELD_CHECKSUM, ask->checksum);
}

static int signing_keep(struct signing *signing, const struct signing_ask *ask) {
	signing->account = account_copy(ask->account);
	if (!signing->account)
		return -ENOMEM;
	if (ask->key) {
		signing->key = keypair_copy(ask->key, true);
		if (!signing->key)
			return -ENOMEM;
	}
	if (ask->terminal >= 0) {
		signing->terminal = fcntl(ask->terminal, F_DUPFD_CLOEXEC, 3);
		if (signing->terminal < 0)
			return -errno;
	}
	return 0;
}

/*
 * The API, which will look at the token, is asked where nobody has told: but not for a read, which
 * is worth little and asked for often. And where what is known says that our clock is off: one
 * answer, or the clock of an index on another host, must not keep anybody from signing.
 */
static bool signing_needs_clock(const struct signing *signing, enum operation operation) {
	bool is_of_api;
	int64_t ahead;

	if (!signing->account->api)
		return false;
	if (!signing_knows_clock(signing, &ahead, &is_of_api))
		return operation != OPERATION_READ;
	return ahead > CLOCK_WARNING_SEC || ahead < -CLOCK_WARNING_SEC;
}

/* No number of reads, which anybody may ask for, makes an act's be forgotten. */
static int signing_use_challenge(struct agent *agent, const struct signing_ask *ask) {
	bool is_read = ask->operation == OPERATION_READ;

	return challenge_book_use(is_read ? &agent->read_challenges : &agent->act_challenges,
		is_read ? &agent->act_challenges : &agent->read_challenges, ask->account->url,
		ask->challenge);
}

int signing_new(struct agent *agent, const struct signing_ask *ask, signing_done_t done,
	void *userdata, struct signing **ret) {
	_cleanup_(signing_freep) struct signing *signing = calloc(1, sizeof(*signing));
	int r;

	if (!signing)
		return -ENOMEM;
	signing->agent = agent;
	signing->terminal = -1;
	signing->done = done;
	signing->userdata = userdata;
	r = signing_keep(signing, ask);
	if (r == 0)
		r = signing_fill(signing, ask);
	if (r == 0 && ask->challenge)
		r = signing_use_challenge(agent, ask);
	if (r == 0)
		r = signing_needs_clock(signing, ask->operation)
			    ? signing_ask_clock(signing)
			    : sd_event_add_defer(
				      agent->event, &signing->begin, signing_on_begin, signing);
	if (r < 0)
		return r;
	signing->next = agent->signings;
	signing->link = &agent->signings;
	if (signing->next)
		signing->next->link = &signing->next;
	agent->signings = signing;
	*ret = TAKE_PTR(signing);
	return 0;
}

/* A key that is on its way to its worker goes with the worker. */
void signing_lock_all(struct agent *agent) {
	for (struct signing *signing = agent->signings; signing; signing = signing->next) {
		signing->is_over = true;
		if (signing->job)
			job_give_up(signing->job, REFUSAL_LOCKED);
	}
}

struct signing *signing_free(struct signing *signing) {
	if (!signing)
		return NULL;
	if (signing->link) {
		*signing->link = signing->next;
		if (signing->next)
			signing->next->link = signing->link;
	}
	sd_event_source_disable_unref(signing->begin);
	job_free(signing->job);
	account_free(signing->account);
	keypair_free(signing->key);
	fields_free(signing->task);
	(void) fd_close(signing->terminal);
	free(signing);
	return NULL;
}
