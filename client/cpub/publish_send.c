/*
 * What was approved goes up, crate by crate, those first that others need. One
 * that needs another waits until the index lists that: before, the registry
 * could not know it. The first that does not go ends it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "publish.h"

/* One request about one crate, with its name in front of the bar. */
static bool ask_about(struct publish *publish, enum kind kind, const struct parcel *parcel,
	struct verb_answer *ret) {
	_cleanup_(request_freep) struct request *request = request_new(kind);

	if (!request)
		return publish_fail_errno(publish, -ENOMEM, NULL);
	request->crate = strdup(parcel->name);
	request->version = strdup(parcel->version);
	if (!request->crate || !request->version)
		return publish_fail_errno(publish, -ENOMEM, NULL);
	/* Without a bar too: it shows that the agent is alive. */
	request->wants_progress = true;
	publish->progress_label = parcel->name;
	return publish_ask(publish, request, -1, ret);
}

/* The registry's no, or silence, is the reason that ends the run. */
static bool fail_outcome(struct publish *publish, const struct parcel *parcel) {
	const struct json *ok = parcel->sent.reply->ok;
	const char *code = json_string(json_member(ok, "code"));
	enum refusal refusal = code ? refusal_from_name(code) : _REFUSAL_INVALID;
	const char *message = json_string(json_member(ok, "message"));
	const char *detail = json_string(json_member(ok, "detail"));

	if (refusal == _REFUSAL_INVALID || refusal == REFUSAL_NONE)
		refusal = parcel->state == PARCEL_UNKNOWN ? REFUSAL_OUTCOME_UNKNOWN
							  : REFUSAL_REGISTRY_REFUSED;
	return publish_fail(publish, refusal, message, detail);
}

static void show_warnings(const struct publish *publish, const struct parcel *parcel) {
	const struct json *warning = json_first(json_member(parcel->sent.reply->ok, "warnings"));

	for (; warning; warning = json_next(warning)) {
		const char *text = json_string(warning);

		publish_note(
			publish, "the registry warns of %s: %s", parcel->name, text ? text : "?");
	}
}

/* An answer that is lost leaves it unknown: the request may have been carried out. */
static bool send_one(struct publish *publish, struct parcel *parcel) {
	const char *outcome;

	parcel->state = PARCEL_UNKNOWN;
	if (!ask_about(publish, KIND_PUBLISH, parcel, &parcel->sent)) {
		/* A refusal of the agent's own comes before anything is sent. */
		if (parcel->sent.reply)
			parcel->state = PARCEL_REFUSED;
		else if (!publish->failure.was_sent)
			parcel->state = PARCEL_HERE;
		return false;
	}
	outcome = verb_text(parcel->sent.reply->ok, "outcome");
	if (strcmp(outcome, "done") == 0)
		parcel->state = PARCEL_UP;
	else if (strcmp(outcome, "refused") == 0)
		parcel->state = PARCEL_REFUSED;
	show_warnings(publish, parcel);
	if (parcel->state != PARCEL_UP)
		return fail_outcome(publish, parcel);
	if (publish_speaks(publish)) {
		print_line("Published %s %s.", parcel->name, parcel->version);
		(void) fflush(stdout);
	}
	return true;
}

static bool await_one(struct publish *publish, struct parcel *parcel) {
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};

	if (parcel->state != PARCEL_UP || parcel->index != PARCEL_NOT_ASKED)
		return true;
	if (!ask_about(publish, KIND_AWAIT, parcel, &answer))
		return false;
	parcel->index = verb_flag(answer.reply->ok, "listed") ? PARCEL_SHOWN : PARCEL_NOT_SHOWN;
	return true;
}

/*
 * All that it needs should be listed. What is not, and an index of git cannot be asked, is no
 * reason to stay here: the registry knows best what it has.
 */
static bool await_needs(struct publish *publish, const struct parcel *parcel) {
	for (size_t i = 0; i < publish->parcels.n; i++) {
		struct parcel *other = &publish->parcels.items[i];

		if (!parcel_needs(parcel, other))
			continue;
		if (!await_one(publish, other))
			return false;
		if (other->index == PARCEL_NOT_SHOWN)
			publish_note(publish,
				"the index does not list %s %s, which %s needs; going on all the "
				"same",
				other->name, other->version, parcel->name);
	}
	return true;
}

/* The last ones: late is no failure, as the registry has them. */
static bool await_rest(struct publish *publish) {
	for (size_t i = 0; i < publish->parcels.n; i++) {
		struct parcel *parcel = &publish->parcels.items[i];

		bool was_asked = parcel->index != PARCEL_NOT_ASKED;

		if (!await_one(publish, parcel))
			return false;
		if (!was_asked && parcel->index == PARCEL_NOT_SHOWN)
			publish_note(publish,
				"the registry has %s %s, and its index does not list it yet; that "
				"can take some minutes",
				parcel->name, parcel->version);
	}
	return true;
}

bool publish_send(struct publish *publish) {
	publish->is_sending = true;
	for (size_t i = 0; i < publish->parcels.n; i++) {
		struct parcel *parcel = &publish->parcels.items[i];

		if (parcel->state == PARCEL_LISTED) {
			if (publish_speaks(publish))
				print_line(
					"%s %s is there already.", parcel->name, parcel->version);
			continue;
		}
		if (!await_needs(publish, parcel) || !send_one(publish, parcel))
			return false;
	}
	return publish->command->no_wait || await_rest(publish);
}
