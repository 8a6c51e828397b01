/*
 * The end of a run: what ended it, what is up and what is not, and how to go
 * on. As one document with --json, whatever happened.
 */

#include <string.h>

#include "outcome.h"
#include "protocol/json.h"
#include "protocol/reply.h"
#include "publish.h"
#include "shell_word.h"
#include "stop.h"

#define SCHEMA 1

static const char *const state_names[] = {
	[PARCEL_HERE] = "not-sent",
	[PARCEL_UP] = "done",
	[PARCEL_LISTED] = "listed",
	[PARCEL_REFUSED] = "refused",
	[PARCEL_UNKNOWN] = "unknown",
};

static const struct json *sent_of(const struct parcel *parcel) {
	return parcel->sent.reply ? parcel->sent.reply->ok : NULL;
}

static bool is_up(const struct parcel *parcel) {
	return parcel->state == PARCEL_UP || parcel->state == PARCEL_LISTED;
}

static size_t count(const struct publish *publish, bool wants_up) {
	size_t n = 0;

	for (size_t i = 0; i < publish->parcels.n; i++)
		n += is_up(&publish->parcels.items[i]) == wants_up;
	return n;
}

/* Partly done, unless it is the agent that is gone. */
static enum exit_code code_of(const struct publish *publish) {
	const struct trouble *trouble = &publish->trouble;

	if (!trouble->is_there)
		return EXIT_DONE;
	if (publish->is_sending && trouble->exit_code != EXIT_UNREACHABLE &&
		count(publish, true) > 0 && count(publish, false) > 0)
		return EXIT_PARTLY;
	return trouble->exit_code;
}

/* Errors are said with --quiet as well. */
static struct print loud_print(const struct publish *publish) {
	struct print print = publish->command->print;

	print.is_quiet = false;
	print.is_json = false;
	return print;
}

/* The one that the registry did not take, or may not have taken; NULL if it is something else. */
static const struct parcel *failed_of(const struct publish *publish) {
	for (size_t i = 0; i < publish->parcels.n; i++) {
		const struct parcel *parcel = &publish->parcels.items[i];

		if (sent_of(parcel) && !is_up(parcel))
			return parcel;
	}
	return NULL;
}

static void say_reason(const struct publish *publish, const struct print *print) {
	const struct trouble *trouble = &publish->trouble;
	const struct parcel *failed = failed_of(publish);
	_cleanup_(freep) char *what = NULL;

	if (stop_was_asked()) {
		print_error(print, "stopped", "stopped before the end", NULL);
	} else if (failed) {
		if (asprintf(&what, "%s %s", failed->name, failed->version) < 0)
			what = NULL;
		outcome_complain(publish->command, sent_of(failed), what ? what : failed->name);
	} else if (!trouble->is_said) {
		print_error(print, trouble->code ? trouble->code : "no-memory",
			trouble->message ? trouble->message : "there is not enough memory",
			trouble->detail);
	}
}

static void say_states(const struct publish *publish, const struct print *print) {
	const char *name = publish->registry.name;

	for (size_t i = 0; i < publish->parcels.n; i++) {
		const struct parcel *parcel = &publish->parcels.items[i];

		switch (parcel->state) {
		case PARCEL_UP:
		case PARCEL_LISTED:
			print_note(print, "up: %s %s", parcel->name, parcel->version);
			break;
		case PARCEL_HERE:
		case PARCEL_REFUSED:
			print_note(print, "not up: %s %s", parcel->name, parcel->version);
			break;
		case PARCEL_UNKNOWN:
			print_note(print,
				"not known: %s %s; look with `cpub-agent check %s@%s%s%s`",
				parcel->name, parcel->version, parcel->name, parcel->version,
				name ? " --registry " : " --index ",
				name ? name : publish->registry.index_url);
			break;
		}
	}
}

/* The same words, once more. */
static void say_resume(const struct publish *publish, const struct print *print) {
	const struct command *command = publish->command;
	_cleanup_(freep) char *words = NULL;
	bool is_said = command->resume;
	size_t size;
	FILE *text;

	text = open_memstream(&words, &size);
	if (!text)
		return;
	for (int i = 1; i < command->argc; i++) {
		/* Behind a `--` it would be no option. */
		if (!is_said && strcmp(command->argv[i], "--") == 0) {
			fputs(" --resume", text);
			is_said = true;
		}
		shell_word_write(text, command->argv[i]);
	}
	if (!is_said)
		fputs(" --resume", text);
	if (fclose(text) == 0)
		print_note(print, "to go on: `cpub-agent%s`", words);
}

static void say_trouble(const struct publish *publish) {
	struct print print = loud_print(publish);
	size_t n_up = count(publish, true), n_here = count(publish, false);

	say_reason(publish, &print);
	if (!publish->is_sending)
		return;
	if (publish->parcels.n > 1 || publish->parcels.items[0].state == PARCEL_UNKNOWN ||
		stop_was_asked())
		say_states(publish, &print);
	if (n_up > 0 && n_here > 0)
		say_resume(publish, &print);
}

static void write_list(struct json_writer *writer, const char *name, const struct json *list) {
	json_write_array(writer, name);
	for (const struct json *item = json_first(list); item; item = json_next(item))
		json_write_string(writer, NULL, json_string(item));
	json_write_array_end(writer);
}

static void write_known(struct json_writer *writer, const char *name, bool is_known, bool value) {
	if (is_known)
		json_write_bool(writer, name, value);
	else
		json_write_string(writer, name, NULL);
}

static void write_sent(struct json_writer *writer, const struct json *sent) {
	static const char *const texts[] = {"code", "message", "detail", "hint"};
	int64_t after = verb_number(sent, "retry-after", 0);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_write_string(writer, texts[i], json_string(json_member(sent, texts[i])));
	if (after > 0)
		json_write_integer(writer, "retry-after", after);
	else
		json_write_string(writer, "retry-after", NULL);
	write_list(writer, "registry-warnings", json_member(sent, "warnings"));
}

static void write_parcel(struct json_writer *writer, const struct parcel *parcel) {
	const struct json *ok = parcel->sealed.reply->ok;

	json_write_object(writer, NULL);
	json_write_string(writer, "name", parcel->name);
	json_write_string(writer, "vers", parcel->version);
	json_write_string(writer, "cksum", verb_text(ok, "cksum"));
	json_write_integer(writer, "size", verb_number(ok, "size", 0));
	json_write_integer(writer, "unpacked", verb_number(ok, "unpacked", 0));
	json_write_integer(writer, "entries", verb_number(ok, "entries", 0));
	write_list(writer, "warnings", parcel->warnings);
	write_known(writer, "first", parcel->was_asked, parcel->is_first);
	json_write_bool(writer, "verified", parcel->is_verified);
	json_write_string(writer, "outcome", state_names[parcel->state]);
	write_known(writer, "indexed", parcel->index != PARCEL_NOT_ASKED,
		parcel->index == PARCEL_SHOWN);
	write_sent(writer, sent_of(parcel));
	json_write_object_end(writer);
}

static void write_error(struct json_writer *writer, const struct trouble *trouble) {
	bool is_stopped = stop_was_asked();
	const char *code = is_stopped ? "stopped" : trouble->code;
	const char *message = is_stopped ? "stopped before the end" : trouble->message;
	const char *detail = is_stopped ? NULL : trouble->detail;

	json_write_object(writer, "error");
	json_write_string(writer, "code", code ? code : "no-memory");
	json_write_string(
		writer, "message", message && print_is_utf8(message) ? message : "(not UTF-8)");
	json_write_string(
		writer, "detail", !detail || print_is_utf8(detail) ? detail : "(not UTF-8)");
	json_write_object_end(writer);
}

static void write_document(const struct publish *publish) {
	struct json_writer writer;

	json_writer_init(&writer, false);
	json_write_object(&writer, NULL);
	json_write_integer(&writer, "schema", SCHEMA);
	json_write_string(&writer, "kind", "publish");
	json_write_string(&writer, "index", publish->registry.index_url);
	json_write_bool(&writer, "dry-run", publish->command->dry_run);
	json_write_array(&writer, "crates");
	for (size_t i = 0; i < publish->parcels.n; i++) {
		if (publish->parcels.items[i].name)
			write_parcel(&writer, &publish->parcels.items[i]);
	}
	json_write_array_end(&writer);
	if (publish->trouble.is_there)
		write_error(&writer, &publish->trouble);
	json_write_object_end(&writer);
	if (json_writer_finish(&writer) == 0)
		print_document(json_writer_bytes(&writer), writer.size);
	json_writer_done(&writer);
}

static void say_done(const struct publish *publish) {
	if (publish->command->dry_run)
		print_line("Did all but send: nothing was asked for and nothing is published.");
	else if (count(publish, true) == publish->parcels.n && publish->parcels.n > 1)
		print_line("All %zu crates are at %s.", publish->parcels.n,
			verb_index_name(publish->registry.index_url));
}

enum exit_code publish_report(const struct publish *publish) {
	if (publish->trouble.is_there)
		say_trouble(publish);
	else if (publish_speaks(publish))
		say_done(publish);
	/* What went wrong before there was a registry has been said as a document already. */
	if (publish->command->print.is_json && !publish->trouble.is_said)
		write_document(publish);
	return code_of(publish);
}
