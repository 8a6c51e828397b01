#include "verb.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "client/call.h"
#include "client/terminal.h"
#include "pipe.h"
#include "protocol/endpoint.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"

/* A person may be asked several things, each for 15 minutes, and the network may be slow. */
#define PROMPT_TIMEOUT_USEC (90 * 60 * CALL_USEC_PER_SEC)
#define TIMEOUT_USEC (10 * CALL_USEC_PER_SEC)
/* For a secret on standard input: another program may have to ask a person for it. */
#define SECRET_TIMEOUT_USEC (60 * CALL_USEC_PER_SEC)

/* One request on its way. It owns all but the command and secret_fd. */
struct ask {
	struct command *command;
	struct endpoint endpoint;
	struct call call;
	struct terminal terminal;
	struct json_writer line;
	int fds[CALL_FDS_MAX];
	size_t n_fds;
	int secret_fd;
	/* The bytes in secret_fd before it was sent. */
	int n_secret;
	uint64_t timeout_usec;
	/* It changes something at a registry. */
	bool is_act;
};

static void ask_done(struct ask *ask) {
	terminal_done(&ask->terminal);
	call_close(&ask->call);
	endpoint_done(&ask->endpoint);
	json_writer_done(&ask->line);
}

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

/* JSON has no way to carry anything but UTF-8. */
static bool texts_are_utf8(const struct request *request) {
	const char *const texts[] = {request->index_url, request->registry_name, request->account,
		request->url_file, request->api, request->ca_pem, request->ca_file, request->proxy,
		request->store, request->scope, request->crates, request->secret_in_file,
		request->secret_in_keyring, request->wipe};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i] && !print_is_utf8(texts[i]))
			return false;
	}
	return true;
}

static enum exit_code ask_write(struct ask *ask, const struct request *request) {
	int r;

	if (!texts_are_utf8(request))
		return print_usage(&ask->command->print, "a name, path or file is not in UTF-8");
	request_write(&ask->line, request);
	r = json_writer_finish(&ask->line);
	if (r < 0)
		return verb_fail(ask->command, r);
	if (ask->line.size > REQUEST_MAX)
		return print_refusal(&ask->command->print, REFUSAL_LINE_TOO_LONG, NULL, NULL);
	return EXIT_DONE;
}

/*
 * The terminal goes along while we are in its foreground, with the guard on
 * from before it leaves our hands. That there is none is no error.
 */
static void ask_lend(struct ask *ask, enum verb_lending lending) {
	if (lending == VERB_LENDS_NOTHING || ask->command->no_input)
		return;
	if (terminal_open(&ask->terminal) < 0)
		return;
	terminal_guard(&ask->terminal);
	ask->fds[ask->n_fds++] = ask->terminal.fd;
}

static enum exit_code ask_open(struct ask *ask) {
	const char *detail = NULL;
	enum refusal refusal;

	call_close(&ask->call);
	refusal = call_open(&ask->endpoint, true, &ask->call, &detail);
	if (refusal == REFUSAL_NONE)
		return EXIT_DONE;
	return print_refusal(&ask->command->print, refusal, NULL, detail);
}

/* A secret that the agent has taken from the pipe before it left cannot be sent again. */
static bool secret_is_whole(const struct ask *ask) {
	int n = -1;

	return ask->secret_fd < 0 ||
	       (ioctl(ask->secret_fd, FIONREAD, &n) == 0 && n == ask->n_secret);
}

/* Sends and waits: 0 and the line, or a negative errno. */
static int ask_exchange(struct ask *ask, struct call_buffer *buffer) {
	uint64_t deadline = call_deadline(ask->timeout_usec);
	int r;

	r = call_send(&ask->call, json_writer_bytes(&ask->line), ask->line.size, ask->fds,
		ask->n_fds, deadline);
	if (r < 0)
		return r;
	r = call_receive(&ask->call, -1, deadline, buffer);
	/* The request was read, and may have been begun: it is not sent a second time. */
	return r == -EPIPE && ask->is_act ? -EBADMSG : r;
}

static enum exit_code fail_exchange(const struct ask *ask, int error) {
	const char *detail = strerror(-error);

	if (error == -ENOMEM)
		return verb_fail(ask->command, error);
	if (error == -ETIMEDOUT)
		detail = "it did not answer in time; `--timeout SECONDS` waits longer";
	else if (error == -EBADMSG && ask->is_act)
		detail = "it ended before it had answered; its audit log has what was begun, and "
			 "`cpub-agent check` looks at the registry";
	else if (call_was_left(error) || error == -EBADMSG)
		detail = "it closed the connection before it had answered; look at its log";
	else if (error == -EMSGSIZE)
		detail = "its answer is too long";
	else if (error == -EPROTO)
		detail = "it spoke before it was asked";
	return print_refusal(&ask->command->print, REFUSAL_AGENT_UNREACHABLE,
		"the agent gave no answer", detail);
}

/* Once more where the agent was just leaving: its socket may have outlived it by a moment. */
static enum exit_code ask_run(struct ask *ask, struct verb_answer *ret) {
	struct call_buffer buffer = {.limit = CALL_ANSWER_MAX};
	_cleanup_(freep) char *line = NULL;
	enum exit_code code = ask_open(ask);
	int r;

	if (code != EXIT_DONE)
		return code;
	r = ask_exchange(ask, &buffer);
	if (call_was_left(r) && secret_is_whole(ask)) {
		code = ask_open(ask);
		if (code == EXIT_DONE)
			r = ask_exchange(ask, &buffer);
	}
	line = buffer.bytes;
	if (code != EXIT_DONE)
		return code;
	if (r < 0)
		return fail_exchange(ask, r);
	r = reply_parse(line, buffer.size, &ret->reply);
	if (r == -EBADMSG)
		return print_refusal(&ask->command->print, REFUSAL_AGENT_UNREACHABLE,
			"the agent's answer makes no sense", NULL);
	if (r < 0)
		return verb_fail(ask->command, r);
	ret->line = TAKE_PTR(line);
	ret->size = buffer.size;
	return EXIT_DONE;
}

static bool is_act(const struct request *request) {
	enum kind kind = request->kind;

	return kind == KIND_YANK || kind == KIND_UNYANK || kind == KIND_OWNER ||
	       kind == KIND_REVOKE;
}

/* These can need a person even where no terminal was lent: agent or keyring may ask another way. */
static bool takes_long(const struct request *request) {
	enum kind kind = request->kind;

	return request->from_keyring || kind == KIND_LOGIN || kind == KIND_LOGOUT || kind == KIND_INIT ||
	       kind == KIND_UNLOCK || kind == KIND_MOVE || kind == KIND_CHECK || is_act(request);
}

static uint64_t timeout_of(const struct ask *ask, const struct request *request) {
	if (ask->command->timeout_usec > 0)
		return ask->command->timeout_usec;
	return ask->terminal.fd >= 0 || takes_long(request) ? PROMPT_TIMEOUT_USEC : TIMEOUT_USEC;
}

enum exit_code verb_ask(struct command *command, const struct request *request,
	enum verb_lending lending, int secret_fd, struct verb_answer *ret) {
	_cleanup_(ask_done) struct ask ask = {
		.command = command,
		.endpoint = ENDPOINT_NULL,
		.call = CALL_NULL,
		.terminal = TERMINAL_NULL,
		.secret_fd = secret_fd,
		.is_act = is_act(request),
	};
	struct verb_answer answer = {0};
	enum exit_code code;
	int r;

	json_writer_init(&ask.line, false);
	code = ask_write(&ask, request);
	if (code != EXIT_DONE)
		return code;
	r = endpoint_resolve(command->socket, &ask.endpoint);
	if (r < 0)
		return print_refusal(
			&command->print, REFUSAL_AGENT_UNREACHABLE, NULL, endpoint_advice(r));
	ask_lend(&ask, lending);
	if (secret_fd >= 0) {
		(void) ioctl(secret_fd, FIONREAD, &ask.n_secret); /* Cannot fail on a pipe. */
		ask.fds[ask.n_fds++] = secret_fd;
	}
	ask.timeout_usec = timeout_of(&ask, request);
	code = ask_run(&ask, &answer);
	if (code != EXIT_DONE)
		return code;
	answer.had_terminal = ask.terminal.fd >= 0;
	*ret = answer;
	return EXIT_DONE;
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
	int r;

	if (!command->with_secret)
		return EXIT_DONE;
	r = pipe_from_stdin(
		command->timeout_usec > 0 ? command->timeout_usec : SECRET_TIMEOUT_USEC, ret);
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
