#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/request.h"
#include "verb.h"

/* Each state of the store, and what a person does about it. */
static const struct {
	const char *name;
	enum print_style style;
	const char *text;
} states[] = {
	{"absent", PRINT_WARN, "none yet; `cpub-agent init` makes one"},
	{"gone", PRINT_BAD, "gone; restore it from a backup"},
	{"damaged", PRINT_BAD, "damaged; restore it from a backup"},
	{"locked", PRINT_WARN, "locked"},
	{"unlocked", PRINT_GOOD, "unlocked"},
	{"keyring-locked", PRINT_WARN, "not known, as the keyring is locked; unlock it"},
	{"keyring-unreachable", PRINT_BAD, "not known, as no keyring can be reached; start one"},
	{"keyring-timeout", PRINT_BAD, "not known, as the keyring does not answer"},
	{"keyring-denied", PRINT_BAD, "not known, as the keyring let nobody in"},
};

static void show_store(const struct print *print, const struct json *ok) {
	const char *state = verb_text(ok, "state");
	const char *path = json_string(json_member(ok, "path"));
	const char *store = json_string(json_member(ok, "store"));
	int64_t locks_in = verb_number(ok, "locks-in", -1);
	enum print_style style = PRINT_PLAIN;
	char duration[PRINT_SHORT_SIZE];

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, state) == 0) {
			style = states[i].style;
			state = states[i].text;
			break;
		}
	}
	if (locks_in >= 0)
		print_row(print, store ? store : "store", style, "%s, locks in %s", state,
			print_duration(locks_in, duration));
	else
		print_row(print, store ? store : "store", style, "%s", state);
	if (path)
		print_row(print, "", PRINT_PLAIN, "%s", path);
}

/* Told while the store is open only: a locked one has nothing left to lock. */
static void show_session(const struct print *print, const struct json *ok) {
	bool locks;

	if (json_get_bool(ok, "locks-with-session", &locks) < 0)
		return;
	if (locks)
		print_row(print, "session", PRINT_GOOD, "locks with it, and before sleep");
	else
		print_row(print, "session", PRINT_WARN,
			"does not lock with it or before sleep: logind is not heard");
}

/* The levels of SECURITY.md: what a program of the same user can get at. */
static void show_level(const struct print *print, int64_t level, bool in_keyring) {
	if (level == 0)
		print_row(print, "level", PRINT_WARN, "0, nothing is kept");
	else if (level == 1)
		print_row(print, "level", PRINT_WARN,
			"1, opens without a passphrase: any program of yours can read these %s",
			in_keyring ? "while the keyring is unlocked" : "as it can what opens them");
	else if (level < 0)
		print_row(print, "level", PRINT_PLAIN, "not known");
	else if (level == 2)
		print_row(print, "level", PRINT_GOOD,
			"2, sealed with a passphrase, which is asked for before a token leaves");
	else
		print_row(print, "level", PRINT_PLAIN, "%" PRId64, level);
}

static void show_expiring(const struct print *print, const struct json *ok) {
	const struct json *account = json_first(json_member(ok, "expiring"));
	char text[PRINT_EXPIRY_SIZE];

	for (; account; account = json_next(account)) {
		enum print_style style = print_expiry(verb_number(account, "expires", 0), text);

		print_row(print, "expires", style, "%s/%s: %s",
			verb_index_name(verb_text(account, "index")),
			verb_text(account, "account"), text);
	}
}

static void show_alarms(const struct print *print, const struct json *ok) {
	const struct json *alarm = json_first(json_member(ok, "alarms"));

	for (; alarm; alarm = json_next(alarm))
		print_row(print, "ALARM", PRINT_BAD, "%s", verb_text(alarm, "text"));
}

static void show(const struct command *command, const struct json *ok) {
	const struct print *print = &command->print;
	int64_t n_grants = verb_number(ok, "grants", 0);

	print_row(print, "agent", PRINT_GOOD, "running, version %s, pid %" PRId64,
		verb_text(ok, "version"), verb_number(ok, "pid", 0));
	show_store(print, ok);
	show_session(print, ok);
	show_level(print, verb_number(ok, "level", -1),
		strcmp(verb_text(ok, "store"), "keyring") == 0);
	print_row(print, "accounts", PRINT_PLAIN, "%" PRId64, verb_number(ok, "accounts", 0));
	show_expiring(print, ok);
	if (n_grants > 0)
		print_row(print, "grants", PRINT_WARN, "%" PRId64 " running", n_grants);
	else
		print_row(print, "grants", PRINT_PLAIN, "none");
	if (!verb_flag(ok, "memory-locked"))
		print_row(print, "memory", PRINT_WARN,
			"not locked, so secrets may reach swap; raise the limit `ulimit -l`");
	show_alarms(print, ok);
	/* Nobody asked for a verb: say that there are some. */
	if (!command->verb) {
		print_line("%s", "");
		print_line("`cpub-agent --help` lists what it can do.");
	}
}

static enum exit_code run(struct command *command) {
	_cleanup_(request_freep) struct request *request = request_new(KIND_STATUS);

	if (!request)
		return verb_fail(command, -ENOMEM);
	return verb_run(command, request, VERB_LENDS_NOTHING, show, true);
}

const struct verb verb_status = {
	.name = "status",
	.summary = "Show the agent, its store and how safe it is",
	.help = "Usage: cpub-agent status\n"
		"\n"
		"Shows whether the agent runs (it is started if not), which store it has, whether\n"
		"that is locked, and the assurance level. Asks nothing.\n",
	.run = run,
};
