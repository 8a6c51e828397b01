#include "verb.h"

#include <errno.h>
#include <string.h>

#include "client/call.h"
#include "conversation.h"
#include "pipe.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* For a secret on standard input: another program may have to ask a person for it. */
#define SECRET_TIMEOUT_USEC (60 * CALL_USEC_PER_SEC)

void verb_answer_done(struct verb_answer *answer) {
	answer->reply = reply_free(answer->reply);
	free(answer->line);
	answer->line = NULL;
}

enum exit_code verb_fail(const struct command *command, int error) {
	return print_refusal(&command->print, refusal_from_errno(error), NULL,
		error == -ENOMEM ? NULL : strerror(-error));
}

enum exit_code verb_fail_configuration(
	const struct command *command, int error, const char *sentence) {
	if (error != -EINVAL || !sentence)
		return verb_fail(command, error);
	print_error(&command->print, "configuration", sentence, NULL);
	return EXIT_USAGE;
}

enum exit_code verb_ask(struct command *command, const struct request *request,
	enum verb_lending lending, int secret_fd, struct verb_answer *ret) {
	_cleanup_(conversation_done) struct conversation conversation;
	struct conversation_failure failure;

	conversation_init(&conversation, command);
	if (conversation_ask(&conversation, request, lending == VERB_LENDS_TERMINAL, secret_fd, ret,
		    &failure))
		return EXIT_DONE;
	if (failure.refusal == REFUSAL_NONE)
		return print_usage(&command->print, "%s", failure.message);
	return print_refusal(&command->print, failure.refusal, failure.message, failure.detail);
}

static enum exit_code show_refusal(const struct command *command, const struct reply *reply) {
	const struct json *error = json_member(reply->json, "Err");
	const char *code = json_string(json_member(error, "code"));

	if (reply->refusal == _REFUSAL_INVALID) {
		print_error(
			&command->print, code ? code : "unknown", reply->message, reply->detail);
		return EXIT_FAILED;
	}
	return print_refusal(&command->print, reply->refusal, reply->message, reply->detail);
}

enum exit_code verb_show(const struct command *command, const struct verb_answer *answer,
	void (*show)(const struct command *command, const struct json *ok), bool is_report) {
	if (!answer->reply->ok)
		return show_refusal(command, answer->reply);
	if (command->print.is_json)
		print_ok_json(answer->line, answer->size);
	else if (is_report || !command->print.is_quiet)
		show(command, answer->reply->ok);
	return EXIT_DONE;
}

enum exit_code verb_take_secret(const struct command *command, int *ret) {
	uint64_t timeout_usec =
		command->timeout_usec > 0 ? command->timeout_usec : SECRET_TIMEOUT_USEC;
	int r;

	if (!command->with_secret)
		return EXIT_DONE;
	r = command->asymmetric ? pipe_whole_stdin(timeout_usec, ret)
				: pipe_from_stdin(timeout_usec, ret);
	if (r < 0)
		return print_usage(&command->print, "%s", pipe_advice(r));
	return EXIT_DONE;
}

enum exit_code verb_run(struct command *command, struct request *request,
	enum verb_lending lending,
	void (*show)(const struct command *command, const struct json *ok), bool is_report) {
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	_cleanup_(fd_closep) int secret_fd = -1;
	enum exit_code code;

	request->secret_in_pipe = command->with_secret;
	code = verb_take_secret(command, &secret_fd);
	if (code == EXIT_DONE)
		code = verb_ask(command, request, lending, secret_fd, &answer);
	return code == EXIT_DONE ? verb_show(command, &answer, show, is_report) : code;
}

enum exit_code verb_run_judged(struct command *command, const struct request *request,
	enum exit_code (*judge)(const struct command *command, const struct json *ok)) {
	_cleanup_(verb_answer_done) struct verb_answer answer = {0};
	enum exit_code code = verb_ask(command, request, VERB_LENDS_TERMINAL, -1, &answer);

	if (code != EXIT_DONE)
		return code;
	if (!answer.reply->ok)
		return show_refusal(command, answer.reply);
	if (command->print.is_json)
		print_ok_json(answer.line, answer.size);
	return judge(command, answer.reply->ok);
}

enum exit_code verb_check_registry(const struct command *command) {
	if (command->registry && command->index)
		return print_usage(&command->print, "--registry and --index exclude each other");
	if (command->all && command->account)
		return print_usage(&command->print, "--all and --account exclude each other");
	if (command->account && !account_name_is_valid(command->account))
		return print_usage(&command->print,
			"--account takes up to 64 letters, digits, '.', '_' and '-', the first a "
			"letter or digit");
	return EXIT_DONE;
}

enum exit_code verb_check_claims(const struct command *command) {
	const char *footer_key = command->footer_key;

	if (command->subject && !claim_is_valid(command->subject))
		return print_usage(&command->print,
			"--subject takes up to 256 printable ASCII characters, no blank, quote or "
			"backslash among them");
	if (footer_key && strcmp(footer_key, "kip") != 0 && strcmp(footer_key, "kid") != 0)
		return print_usage(&command->print, "--footer-key takes kip or kid");
	return EXIT_DONE;
}

bool verb_set(const struct command *command, char **ret, const char *text) {
	if (!text)
		return true;
	*ret = strdup(text);
	if (!*ret)
		(void) verb_fail(command, -ENOMEM);
	return *ret != NULL;
}

const char *verb_text(const struct json *object, const char *name) {
	const char *text = json_string(json_member(object, name));

	return text ? text : "?";
}

int64_t verb_number(const struct json *object, const char *name, int64_t otherwise) {
	int64_t number;

	return json_get_integer(object, name, &number) == 0 ? number : otherwise;
}

bool verb_flag(const struct json *object, const char *name) {
	bool flag;

	return json_get_bool(object, name, &flag) == 0 && flag;
}

const char *verb_index_name(const char *index_url) {
	return strcmp(index_url, CRATES_IO_INDEX) == 0 ? "crates.io" : index_url;
}
