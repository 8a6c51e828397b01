/*
 * From files to an approval: each is lent to the agent, which keeps a sealed
 * copy and reads it; what it has read is shown here, and by the agent itself
 * where it asks for the passphrase. After the build the new files are lent, and
 * the agent says whether they are the same.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "publish.h"

/* Texts of the command line, copied as the request owns its own. */
static struct request *request_for(const struct publish *publish, enum kind kind) {
	_cleanup_(request_freep) struct request *request = request_new(kind);
	const struct registry *registry = &publish->registry;

	if (!request)
		return NULL;
	request->index_url = strdup(registry->index_url);
	request->registry_name = registry->name ? strdup(registry->name) : NULL;
	request->account = publish->command->account ? strdup(publish->command->account) : NULL;
	if (!request->index_url || (registry->name && !request->registry_name) ||
		(publish->command->account && !request->account))
		return NULL;
	return TAKE_PTR(request);
}

bool publish_ask(
	struct publish *publish, const struct request *request, int fd, struct verb_answer *ret) {
	struct conversation_failure *failure = &publish->failure;
	bool is_answered =
		conversation_ask(&publish->conversation, request, true, fd, ret, failure);

	progress_clear(&publish->progress);
	if (is_answered)
		return ret->reply->ok || publish_fail_reply(publish, ret->reply);
	if (failure->refusal == REFUSAL_NONE)
		return publish_fail_as(publish, EXIT_USAGE, "usage", "%s", failure->message);
	return publish_fail(publish, failure->refusal, failure->message, failure->detail);
}

static bool fail_file(struct publish *publish, const char *path, int error) {
	const char *why = error == -ELOOP    ? "it is a link"
			  : error == -EINVAL ? "it is no regular file"
					     : strerror(-error);

	return publish_fail_as(publish, error == -ENOENT ? EXIT_USAGE : EXIT_MISMATCH, "file",
		"'%s' cannot be read as a crate file: %s", path, why);
}

/* What the answer must hold for all that follows. */
static bool parcel_take(struct parcel *parcel) {
	const struct json *ok = parcel->sealed.reply->ok;

	parcel->name = json_string(json_member(ok, "name"));
	parcel->version = json_string(json_member(ok, "vers"));
	parcel->warnings = json_member(ok, "warnings");
	return parcel->name && parcel->version;
}

static bool seal_one(struct publish *publish, struct parcel *parcel) {
	_cleanup_(request_freep) struct request *request = request_for(publish, KIND_SEAL);
	_cleanup_(fd_closep) int fd = parcel_open(parcel->path);
	bool is_sealed;

	if (!request)
		return publish_fail_errno(publish, -ENOMEM, NULL);
	if (fd < 0)
		return fail_file(publish, parcel->path, fd);
	request->size_max = publish->size_max;
	request->wants_progress = publish->progress.is_shown;
	is_sealed = publish_ask(publish, request, fd, &parcel->sealed);
	if (!is_sealed && !publish->trouble.detail && publish->parcels.n > 1)
		publish->trouble.detail = strdup(strrchr(parcel->path, '/') + 1);
	if (!is_sealed)
		return false;
	return parcel_take(parcel) || publish_fail(publish, REFUSAL_AGENT_UNREACHABLE,
					      "the agent's answer makes no sense", NULL);
}

static void show_sealed(const struct publish *publish, const struct parcel *parcel) {
	const struct print *print = &publish->command->print;
	const struct json *ok = parcel->sealed.reply->ok;
	const struct json *warning = json_first(parcel->warnings);
	char size[PRINT_SHORT_SIZE], unpacked[PRINT_SHORT_SIZE];
	int64_t n = verb_number(ok, "entries", 0);

	print_line("%s %s", parcel->name, parcel->version);
	print_row(print, "sha256", PRINT_PLAIN, "%s", verb_text(ok, "cksum"));
	print_row(print, "size", PRINT_PLAIN, "%s; %" PRId64 " file%s, %s unpacked",
		print_bytes(verb_number(ok, "size", 0), size), n, n == 1 ? "" : "s",
		print_bytes(verb_number(ok, "unpacked", 0), unpacked));
	for (; warning; warning = json_next(warning)) {
		const char *text = json_string(warning);

		print_row(print, "warning", PRINT_WARN, "%s", text ? text : "?");
	}
}

bool publish_seal(struct publish *publish) {
	struct parcels *parcels = &publish->parcels;

	for (size_t i = 0; i < parcels->n; i++) {
		if (!seal_one(publish, &parcels->items[i]))
			return false;
	}
	/* The build is not to find what it is compared with. */
	if (!publish->file)
		workplace_empty(&publish->workplace);
	if (!parcels_order(parcels))
		publish_note(publish, "these crates need each other in a circle, so the registry "
				      "may refuse the first");
	for (size_t i = 0; publish_speaks(publish) && i < parcels->n; i++)
		show_sealed(publish, &parcels->items[i]);
	(void) fflush(stdout); /* It stands above the question. */
	return true;
}

static void take_proposed(struct parcel *parcel, const struct json *crate) {
	parcel->is_first = verb_flag(crate, "first");
	parcel->was_asked = verb_flag(crate, "asked");
	if (verb_flag(crate, "listed"))
		parcel->state = PARCEL_LISTED;
}

/* Each of ours has to be among them: an agent that forgot one has not approved it. */
static bool take_all_proposed(struct publish *publish, const struct json *ok) {
	const struct json *crate = json_first(json_member(ok, "crates"));
	size_t n = 0;

	for (; crate; crate = json_next(crate)) {
		struct parcel *parcel = parcels_named(&publish->parcels, verb_text(crate, "name"));

		if (!parcel || strcmp(parcel->version, verb_text(crate, "vers")) != 0)
			continue;
		take_proposed(parcel, crate);
		n++;
	}
	return n == publish->parcels.n || publish_fail(publish, REFUSAL_AGENT_UNREACHABLE,
						  "the agent's answer makes no sense", NULL);
}

static void tell_first(const struct publish *publish) {
	for (size_t i = 0; i < publish->parcels.n; i++) {
		if (!publish->parcels.items[i].is_first)
			continue;
		publish_note(publish,
			"%s is new at this registry: a name belongs to who publishes it first, and "
			"what is published stays for good, as a version can be yanked but not "
			"removed",
			publish->parcels.items[i].name);
		return;
	}
}

bool publish_propose(struct publish *publish) {
	_cleanup_(request_freep) struct request *request = request_for(publish, KIND_PROPOSE);
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	const struct command *command = publish->command;

	if (!request)
		return publish_fail_errno(publish, -ENOMEM, NULL);
	request->will_verify = !command->no_verify && !publish->file;
	request->is_dry_run = command->dry_run;
	request->may_resume = command->resume;
	if (!publish_ask(publish, request, -1, &answer) ||
		!take_all_proposed(publish, answer.reply->ok))
		return false;
	if (!command->dry_run && !verb_flag(answer.reply->ok, "approved"))
		return publish_fail(publish, REFUSAL_NOT_APPROVED, NULL, NULL);
	terminal_restore(&publish->conversation.terminal);
	tell_first(publish);
	return true;
}

static bool verify_one(struct publish *publish, struct parcel *parcel) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_VERIFY);
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	_cleanup_(freep) char *path = publish_built_path(publish, parcel);
	_cleanup_(fd_closep) int fd = -1;

	if (!request || !path)
		return publish_fail_errno(publish, -ENOMEM, NULL);
	fd = parcel_open(path);
	if (fd < 0)
		return fail_file(publish, path, fd);
	if (!publish_ask(publish, request, fd, &answer))
		return false;
	if (strcmp(verb_text(answer.reply->ok, "name"), parcel->name) != 0 ||
		strcmp(verb_text(answer.reply->ok, "vers"), parcel->version) != 0)
		return publish_fail(publish, REFUSAL_CRATE_DIFFERS, NULL,
			"where it should lie, the build left another of the crates");
	parcel->is_verified = true;
	return true;
}

bool publish_verify(struct publish *publish) {
	for (size_t i = 0; i < publish->parcels.n; i++) {
		if (!verify_one(publish, &publish->parcels.items[i]))
			return false;
	}
	return true;
}
