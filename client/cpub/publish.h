#pragma once

/*
 * One run of `cpub-agent publish`, and its steps. Each returns true when it is
 * done; or false with what ended the run in `trouble`, which is told at the end
 * together with what became of each crate.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cargo_run.h"
#include "conversation.h"
#include "parcel.h"
#include "progress.h"
#include "registry.h"
#include "verb.h"
#include "workplace.h"
#include "workspace.h"

struct cargo_config;
struct publish;
struct reply;

struct trouble {
	bool is_there;
	/* It was said when it came up. */
	bool is_said;
	enum exit_code exit_code;
	char *code;
	char *message;
	char *detail;
};

struct publish {
	struct command *command;
	int64_t size_max;
	/* A file was given, so cargo has nothing to do. */
	const char *file;
	struct cargo_config *config;
	struct registry registry;
	/* cargo has a default of its own, so it is told of crates.io, too. */
	bool has_default;
	struct cargo cargo;
	struct workspace workspace;
	struct workplace workplace;
	struct conversation conversation;
	struct parcels parcels;
	struct progress progress;
	const char *progress_label;
	/* Of the request that got no answer. */
	struct conversation_failure failure;
	struct trouble trouble;
	/* The crates are on their way, so the end tells about each. */
	bool is_sending;
};

/* publish.c: what ends a run. `message` and `detail` may be NULL. All return false. */
bool publish_fail(
	struct publish *publish, enum refusal refusal, const char *message, const char *detail);
__attribute__((format(printf, 4, 5))) bool publish_fail_as(struct publish *publish,
	enum exit_code exit_code, const char *code, const char *format, ...);
bool publish_fail_errno(struct publish *publish, int error, const char *what);
/* After something that has told its failure itself. */
bool publish_said(struct publish *publish, enum exit_code exit_code);
bool publish_fail_reply(struct publish *publish, const struct reply *reply);
/* A note for people, cleaned; nothing with --quiet. */
#define publish_note(publish, ...) print_note(&(publish)->command->print, __VA_ARGS__)
/* Text, not JSON, and not hushed. */
bool publish_speaks(const struct publish *publish);

/* publish_prepare.c: where it goes, and what is in the way. */
bool publish_prepare(struct publish *publish);
/* publish_package.c: what cargo makes of the project, without and with a build. */
bool publish_package(struct publish *publish);
bool publish_build(struct publish *publish);
/* Where the build leaves the file of the same name as this one; caller frees; NULL: ENOMEM. */
char *publish_built_path(const struct publish *publish, const struct parcel *parcel);

/* publish_approve.c: sealed, shown, approved, and after the build compared. */
bool publish_seal(struct publish *publish);
bool publish_propose(struct publish *publish);
bool publish_verify(struct publish *publish);
/* Asks the agent, and fails for both kinds of "no". */
bool publish_ask(
	struct publish *publish, const struct request *request, int fd, struct verb_answer *ret);

/* publish_send.c */
bool publish_send(struct publish *publish);

/* publish_report.c: what became of it all. Returns the exit code. */
enum exit_code publish_report(const struct publish *publish);
