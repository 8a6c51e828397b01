#pragma once

/*
 * The verbs of the command line, one file each, and what they share: the words
 * of the command line, and one request to the agent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/print.h"
#include "protocol/cleanup.h"
#include "protocol/refusal.h"

struct json;
struct reply;
struct request;
struct verb;

/* More of one kind than this is a mistake. */
#define TEXTS_MAX 256

/* What was given several times, in that order. */
struct texts {
	const char *items[TEXTS_MAX];
	size_t n;
};

/* What the command line said. Texts are borrowed from argv. */
struct command {
	/* All of it, for whom it has to be told again. */
	char **argv;
	int argc;
	/* The mask for new files that we came with; ours is closed to others. */
	mode_t umask;
	const struct verb *verb; /* NULL: none was given */
	struct print print;
	bool is_help;
	bool is_version;
	bool no_input;
	const char *color;
	const char *timeout;
	uint64_t timeout_usec; /* 0: the default of the verb */
	const char *socket;

	/* login, logout, trust, import, and all that acts at a registry */
	const char *registry;
	const char *index;
	const char *account;
	const char *api;
	bool allow_http;
	const char *use;
	const char *expires;
	const char *scope;
	const char *crates;
	bool no_check;
	bool replace;
	bool all;

	/* login of an account that signs; key, all but the first */
	bool asymmetric;
	const char *subject;
	const char *footer_key;

	/* key */
	bool finish;
	bool cancel;
	bool no_subject;

	/* import */
	const char *from;
	bool wipe;
	bool dry_run;

	/* init */
	const char *store;
	bool no_passphrase;

	/* move */
	const char *to;

	/* The word behind the verb, one of its `objects`; NULL without. */
	const char *object;
	/* The words behind a verb that takes some of the person's own. */
	struct texts words;

	/* setup; yank has `undo`, too */
	bool check;
	bool undo;

	/* yank, unyank */
	const char *version;

	/* owner */
	struct texts add;
	struct texts remove;
	bool list;

	/* revoke */
	bool forget;

	/* publish */
	struct texts packages;
	struct texts excludes;
	struct texts features;
	bool workspace;
	bool all_features;
	bool no_default_features;
	const char *manifest_path;
	const char *target;
	bool allow_dirty;
	bool no_verify;
	bool resume;
	bool no_wait;
	const char *max_size;

	/* A secret comes on standard input. */
	bool with_secret;
};

/* What an option takes, and so what lies at its place in struct command. */
enum option_kind {
	OPTION_FLAG,  /* nothing: a bool */
	OPTION_TEXT,  /* a text: a pointer; the last one holds */
	OPTION_TEXTS, /* a text each time: struct texts */
};

/* One option. `offset` is its place in struct command. */
struct verb_option {
	const char *name;
	char letter; /* 0 for none */
	enum option_kind kind;
	size_t offset;
};

struct verb {
	const char *name;
	const char *summary;
	const char *help;
	/* The words of which one may follow, as `cargo` does `setup`, ended by NULL; NULL for none. */
	const char *const *objects;
	/* What it takes words of, as messages call it ("CRATE@VERSION"); NULL: of nothing. */
	const char *takes;
	/* The options of this verb alone, ended by one without a name. */
	const struct verb_option *options;
	enum exit_code (*run)(struct command *command);
};

extern const struct verb verb_init;
extern const struct verb verb_login;
extern const struct verb verb_logout;
extern const struct verb verb_list;
extern const struct verb verb_status;
extern const struct verb verb_lock;
extern const struct verb verb_unlock;
extern const struct verb verb_passwd;
extern const struct verb verb_move;
extern const struct verb verb_trust;
extern const struct verb verb_completion;
extern const struct verb verb_setup;
extern const struct verb verb_doctor;
extern const struct verb verb_import;
extern const struct verb verb_publish;
extern const struct verb verb_yank;
extern const struct verb verb_unyank;
extern const struct verb verb_owner;
extern const struct verb verb_revoke;
extern const struct verb verb_check;
extern const struct verb verb_key;

/* How the agent answered. */
struct verb_answer {
	struct reply *reply;
	char *line;
	size_t size;
	/* A terminal was lent. */
	bool had_terminal;
};

void verb_answer_done(struct verb_answer *answer);

enum verb_lending {
	VERB_LENDS_NOTHING,
	VERB_LENDS_TERMINAL,
};

/*
 * Sends one request, starting the agent if need be, and waits for the answer.
 * Where `secret_fd` is not -1 it goes along. Returns EXIT_DONE and *ret (done
 * with verb_answer_done), which may be a refusal; or the exit code after it has
 * said what failed.
 */
enum exit_code verb_ask(struct command *command, const struct request *request,
	enum verb_lending lending, int secret_fd, struct verb_answer *ret);

/*
 * Shows the answer: a refusal as an error; else the object as JSON, or what
 * `show` makes of it (not called when quiet, unless `is_report`). Returns the exit code.
 */
enum exit_code verb_show(const struct command *command, const struct verb_answer *answer,
	void (*show)(const struct command *command, const struct json *ok), bool is_report);

/*
 * All of that for a verb that has no more to do: with the secret on standard input
 * if the command has one, asked, and shown.
 */
enum exit_code verb_run(struct command *command, struct request *request,
	enum verb_lending lending,
	void (*show)(const struct command *command, const struct json *ok), bool is_report);

/*
 * The same for a verb whose answer can be bad news: prints the object with --json, and in
 * any case calls `judge`, which says what failed and returns the exit code.
 */
enum exit_code verb_run_judged(struct command *command, const struct request *request,
	enum exit_code (*judge)(const struct command *command, const struct json *ok));

/* Moves standard input, a line or a whole key, into *ret if the command asks for it, else leaves *ret. */
enum exit_code verb_take_secret(const struct command *command, int *ret);

/* Copies a text of the command line into a request: false, and said, without memory. */
bool verb_set(const struct command *command, char **ret, const char *text);

/* Says that memory ran out, or another failure of our own. */
enum exit_code verb_fail(const struct command *command, int error);

/*
 * For a failure of the functions that read cargo's configuration: says the
 * sentence that goes with -EINVAL, or what else failed.
 */
enum exit_code verb_fail_configuration(
	const struct command *command, int error, const char *sentence);

/* EXIT_DONE if the words that choose a registry and account go together, else it says why not. */
enum exit_code verb_check_registry(const struct command *command);

/* EXIT_DONE if --subject and --footer-key have values that can be, else it says why not. */
enum exit_code verb_check_claims(const struct command *command);

/* A text member of an answer, cleaned by whoever prints it; "?" if it is not there. */
const char *verb_text(const struct json *object, const char *name);
/* A whole number; `otherwise` if it is not there. */
int64_t verb_number(const struct json *object, const char *name, int64_t otherwise);
bool verb_flag(const struct json *object, const char *name);

/* The short name that people know for an index URL: "crates.io", or the URL. */
const char *verb_index_name(const char *index_url);
