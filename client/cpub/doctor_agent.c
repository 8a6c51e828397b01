/*
 * The agent that runs, from its own answer to `status`. None is started: who
 * asks what is wrong does not want it changed, and cargo and every other verb
 * start it when it is needed.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "doctor.h"
#include "finding.h"
#include "protocol/endpoint.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "verb.h"

#ifndef CPUB_VERSION
#define CPUB_VERSION "0.1.0"
#endif

#define TIMEOUT_USEC (10 * CALL_USEC_PER_SEC)

static const struct {
	const char *name;
	enum finding_level level;
	const char *text;
	const char *fix;
} states[] = {
	{"absent", FINDING_WARN, "there is no store yet", "cpub-agent login"},
	{"locked", FINDING_OK, "the store is locked", NULL},
	{"unlocked", FINDING_OK, "the store is unlocked", NULL},
	{"gone", FINDING_BAD, "the store was there and is gone", "restore it from a backup"},
	{"damaged", FINDING_BAD, "the store is damaged", "restore it from a backup"},
	{"newer", FINDING_BAD, "the store was written by a newer cpub-agent",
		"install that version"},
	{"loose", FINDING_BAD, "the store is open to others, so it is not used",
		"chmod 600 the vault, and 700 its folder"},
	{"keyring-locked", FINDING_WARN, "the keyring that holds the store is locked",
		"unlock it in your desktop, or cpub-agent unlock in a terminal"},
	{"keyring-unreachable", FINDING_BAD, "the keyring that holds the store cannot be reached",
		"start one on the session bus: gnome-keyring, KeePassXC"},
	{"keyring-timeout", FINDING_BAD, "the keyring that holds the store does not answer",
		"look at its program"},
	{"keyring-denied", FINDING_BAD, "the keyring that holds the store let nobody in",
		"look at its settings"},
	{"unreadable", FINDING_BAD, "the store cannot be read", "look at the agent's log"},
};

static void find_state(struct findings *findings, const char *state) {
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, state) != 0)
			continue;
		findings_add(findings, "D15", states[i].level, "%s", states[i].text);
		if (states[i].fix)
			findings_fix(findings, "%s", states[i].fix);
		return;
	}
	findings_add(findings, "D15", FINDING_WARN, "the store is '%s', whatever that is", state);
	findings_fix(findings, "run the agent and this program in one version");
}

static void find_level(struct findings *findings, int64_t level) {
	if (level >= 2) {
		findings_add(findings, "D14", FINDING_OK,
			"level %d: a passphrase is asked for before a token leaves", (int) level);
		return;
	}
	if (level < 0) {
		findings_add(findings, "D14", FINDING_WARN,
			"the level is not known while the store cannot be read");
		findings_fix(findings, "see D15");
		return;
	}
	findings_add(findings, "D14", FINDING_WARN,
		level == 1 ? "level 1: the store opens without a passphrase, for any program of yours"
			   : "level 0: nothing is kept here");
	findings_fix(findings, level == 1 ? "cpub-agent passwd"
					  : "cpub-agent login");
}

static void find_status(struct findings *findings, const struct json *ok) {
	const char *version = verb_text(ok, "version");

	if (strcmp(version, CPUB_VERSION) == 0) {
		findings_add(findings, "D10", FINDING_OK, "the agent runs, version %s", version);
	} else {
		findings_add(findings, "D10", FINDING_WARN,
			"the agent that runs is version %s, and this program is " CPUB_VERSION,
			version);
		findings_fix(findings, "kill %lld; it starts again by itself",
			(long long) verb_number(ok, "pid", 0));
	}
	if (verb_flag(ok, "memory-locked")) {
		findings_add(findings, "D13", FINDING_OK, "secrets cannot reach swap");
	} else {
		findings_add(findings, "D13", FINDING_WARN, "the agent's secrets may reach swap");
		findings_fix(findings, "raise the limit `ulimit -l`, then start the agent again");
	}
	find_level(findings, verb_number(ok, "level", -1));
	find_state(findings, verb_text(ok, "state"));
}

static int exchange(struct call *call, uint64_t timeout_usec, struct reply **ret) {
	struct call_buffer buffer = {.limit = CALL_ANSWER_MAX};
	_cleanup_(request_freep) struct request *request = request_new(KIND_STATUS);
	_cleanup_(freep) char *line = NULL;
	struct json_writer writer;
	uint64_t deadline = call_deadline(timeout_usec);
	int r;

	if (!request)
		return -ENOMEM;
	json_writer_init(&writer, false);
	request_write(&writer, request);
	r = json_writer_finish(&writer);
	if (r == 0)
		r = call_send(call, json_writer_bytes(&writer), writer.size, NULL, 0, deadline);
	json_writer_done(&writer);
	if (r == 0)
		r = call_receive(call, -1, deadline, &buffer);
	line = buffer.bytes;
	return r < 0 ? r : reply_parse(line, buffer.size, ret);
}

static bool is_there(const struct endpoint *endpoint) {
	_cleanup_(freep) char *path = NULL;

	if (asprintf(&path, "%s/%s", endpoint->directory, endpoint->name) < 0) {
		path = NULL;
		return true;
	}
	return access(path, F_OK) == 0 || errno != ENOENT;
}

static void find_unreachable(struct findings *findings, const struct endpoint *endpoint,
	enum refusal refusal, const char *detail) {
	if (refusal != REFUSAL_AGENT_UNREACHABLE) {
		findings_add(findings, "D10", FINDING_BAD, "the agent cannot be asked: %s",
			detail ? detail : refusal_sentence(refusal));
		findings_fix(findings, "look at D08, then end what listens there");
	} else if (!endpoint->is_given && !is_there(endpoint)) {
		findings_add(findings, "D10", FINDING_OK,
			"no agent runs; it starts by itself when it is needed");
	} else {
		findings_add(findings, "D10", FINDING_WARN, "no agent answers: %s", detail);
		findings_fix(findings, "%s",
			endpoint->is_given ? "start an agent for that socket"
					   : "cpub-agent status, which starts one");
	}
}

void doctor_agent(struct findings *findings, const struct command *command) {
	_cleanup_(endpoint_done) struct endpoint endpoint = ENDPOINT_NULL;
	_cleanup_(reply_freep) struct reply *reply = NULL;
	struct call call = CALL_NULL;
	const char *detail = NULL;
	enum refusal refusal;
	int r;

	/* That the socket has no place is D08. */
	if (endpoint_resolve(command->socket, &endpoint) < 0)
		return;
	refusal = call_open(&endpoint, false, &call, &detail);
	if (refusal != REFUSAL_NONE) {
		find_unreachable(findings, &endpoint, refusal, detail);
		return;
	}
	r = exchange(
		&call, command->timeout_usec > 0 ? command->timeout_usec : TIMEOUT_USEC, &reply);
	call_close(&call);
	if (r == 0 && reply->ok) {
		find_status(findings, reply->ok);
		return;
	}
	findings_add(findings, "D10", FINDING_BAD, "the agent gives no sensible answer: %s",
		r < 0 ? strerror(-r) : reply->message);
	findings_fix(findings, "look at its log, end it, and try again");
}
