#include "conversation.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "protocol/cleanup.h"
#include "protocol/json.h"
#include "protocol/names.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "verb.h"

/* A person may be asked several things, each for 15 minutes, and the network may be slow. */
#define PROMPT_TIMEOUT_USEC (90 * 60 * CALL_USEC_PER_SEC)
/* Work that asks nobody, from one sign of life to the next. */
#define WORK_TIMEOUT_USEC (10 * 60 * CALL_USEC_PER_SEC)
#define TIMEOUT_USEC (10 * CALL_USEC_PER_SEC)

/* One request on its way. */
struct ask {
	struct conversation *conversation;
	const struct request *request;
	struct json_writer line;
	int fds[CALL_FDS_MAX];
	size_t n_fds;
	int fd;
	/* The bytes left in fd before it was sent. */
	int n_left;
	uint64_t timeout_usec;
	struct conversation_failure failure;
};

void conversation_init(struct conversation *conversation, const struct command *command) {
	*conversation = (struct conversation){
		.command = command,
		.endpoint = ENDPOINT_NULL,
		.call = CALL_NULL,
		.terminal = TERMINAL_NULL,
		.stop_fd = -1,
	};
}

void conversation_done(struct conversation *conversation) {
	terminal_done(&conversation->terminal);
	call_close(&conversation->call);
	endpoint_done(&conversation->endpoint);
}

/* JSON has no way to carry anything but UTF-8. */
static bool texts_are_utf8(const struct request *request) {
	const char *const texts[] = {request->index_url, request->registry_name, request->account,
		request->url_file, request->api, request->ca_pem, request->ca_file, request->proxy,
		request->store, request->scope, request->crates, request->secret_in_file,
		request->secret_in_keyring, request->wipe, request->subject};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i] && !print_is_utf8(texts[i]))
			return false;
	}
	return true;
}

/* Notes what there is to say; false, as the functions below return it. */
static bool ask_fail(
	struct ask *ask, enum refusal refusal, const char *message, const char *detail) {
	ask->failure.refusal = refusal;
	ask->failure.message = message;
	ask->failure.detail = detail;
	return false;
}

static bool ask_fail_errno(struct ask *ask, int error) {
	return ask_fail(
		ask, refusal_from_errno(error), NULL, error == -ENOMEM ? NULL : strerror(-error));
}

static bool ask_write(struct ask *ask) {
	int r;

	if (!texts_are_utf8(ask->request))
		return ask_fail(ask, REFUSAL_NONE, "a name, path or file is not in UTF-8", NULL);
	request_write(&ask->line, ask->request);
	r = json_writer_finish(&ask->line);
	if (r < 0)
		return ask_fail_errno(ask, r);
	if (ask->line.size > REQUEST_MAX)
		return ask_fail(ask, REFUSAL_LINE_TOO_LONG, NULL, NULL);
	return true;
}

/*
 * The terminal goes along while we are in its foreground, with the guard on
 * from before it leaves our hands. That there is none is no error.
 */
static void ask_lend(struct ask *ask, bool may_lend) {
	struct conversation *conversation = ask->conversation;

	if (!may_lend || conversation->has_lent || conversation->command->no_input)
		return;
	if (conversation->terminal.fd < 0 && terminal_open(&conversation->terminal) < 0)
		return;
	if (conversation->stop_fd < 0)
		terminal_guard(&conversation->terminal);
	ask->fds[ask->n_fds++] = conversation->terminal.fd;
}

static bool ask_open(struct ask *ask) {
	struct conversation *conversation = ask->conversation;
	const char *detail = NULL;
	enum refusal refusal;

	call_close(&conversation->call);
	refusal = call_open(&conversation->endpoint, true, &conversation->call, &detail);
	return refusal == REFUSAL_NONE || ask_fail(ask, refusal, NULL, detail);
}

/* What the agent has taken from a pipe before it left cannot be sent again. */
static bool fd_is_whole(const struct ask *ask) {
	int n = -1;

	return ask->fd < 0 || (ioctl(ask->fd, FIONREAD, &n) == 0 && n == ask->n_left);
}

/* 1 if the line is one of progress, which has been told; 0 if not, or a negative errno. */
static int take_progress(struct conversation *conversation, const struct call_buffer *line) {
	_cleanup_(json_freep) struct json *root = NULL;
	const struct json *progress;
	int r;

	r = json_parse(line->bytes, line->size, &root);
	if (r < 0)
		return r == -EBADMSG ? 0 : r; /* It will be no answer either. */
	progress = json_member(root, "Progress");
	if (!json_is_object(progress))
		return 0;
	if (conversation->on_progress)
		conversation->on_progress(conversation->userdata, verb_text(progress, "stage"),
			verb_number(progress, "done", 0), verb_number(progress, "total", 0));
	return 1;
}

/* Each line of progress starts the waiting anew. */
static int ask_receive(struct ask *ask, struct call_buffer *buffer) {
	struct conversation *conversation = ask->conversation;
	int r;

	do {
		r = call_receive(&conversation->call, conversation->stop_fd,
			call_deadline(ask->timeout_usec), buffer);
		if (r == 0)
			r = ask->request->wants_progress ? take_progress(conversation, buffer) : 0;
	} while (r > 0);
	return r;
}

/* It changes something at a registry. */
static bool is_act(const struct request *request) {
	enum kind kind = request->kind;

	return kind == KIND_YANK || kind == KIND_UNYANK || kind == KIND_OWNER ||
	       kind == KIND_REVOKE || kind == KIND_PUBLISH;
}

/* Sends and waits: 0 and the line, or a negative errno. */
static int ask_exchange(struct ask *ask, struct call_buffer *buffer) {
	int r = call_send(&ask->conversation->call, json_writer_bytes(&ask->line), ask->line.size,
		ask->fds, ask->n_fds, call_deadline(ask->timeout_usec));

	if (r < 0)
		return r;
	ask->failure.was_sent = true;
	r = ask_receive(ask, buffer);
	/* The request was read, and may have been begun: it is not sent a second time. */
	return r == -EPIPE && is_act(ask->request) ? -EBADMSG : r;
}

static bool ask_fail_exchange(struct ask *ask, int error) {
	const char *detail = strerror(-error);

	ask->failure.was_stopped = error == -ECANCELED;
	if (error == -ENOMEM)
		return ask_fail_errno(ask, error);
	if (error == -ETIMEDOUT)
		detail = "it did not answer in time; `--timeout SECONDS` waits longer";
	else if (error == -EBADMSG && is_act(ask->request))
		detail = "it ended before it had answered; its audit log has what was begun, and "
			 "`cpub-agent check` looks at the registry";
	else if (call_was_left(error) || error == -EBADMSG)
		detail = "it closed the connection before it had answered; look at its log";
	else if (error == -EMSGSIZE)
		detail = "its answer is too long";
	else if (error == -EPROTO)
		detail = "it spoke before it was asked";
	return ask_fail(ask, REFUSAL_AGENT_UNREACHABLE, "the agent gave no answer", detail);
}

/* Once more where the agent was just leaving: its socket may have outlived it by a moment. */
static bool ask_run(struct ask *ask, struct call_buffer *buffer) {
	struct conversation *conversation = ask->conversation;
	int r;

	if (conversation->call.fd < 0 && !ask_open(ask))
		return false;
	r = ask_exchange(ask, buffer);
	if (call_was_left(r) && !conversation->was_answered && fd_is_whole(ask)) {
		ask->failure.was_sent = false;
		if (!ask_open(ask))
			return false;
		r = ask_exchange(ask, buffer);
	}
	return r == 0 || ask_fail_exchange(ask, r);
}

static bool ask_read(struct ask *ask, struct call_buffer *buffer, struct verb_answer *ret) {
	int r = reply_parse(buffer->bytes, buffer->size, &ret->reply);

	if (r == -EBADMSG)
		return ask_fail(
			ask, REFUSAL_AGENT_UNREACHABLE, "the agent's answer makes no sense", NULL);
	if (r < 0)
		return ask_fail_errno(ask, r);
	ret->line = TAKE_PTR(buffer->bytes);
	ret->size = buffer->size;
	return true;
}

/* These can need a person even where no terminal was lent: agent or keyring may ask another way. */
static bool takes_long(const struct request *request) {
	enum kind kind = request->kind;

	return request->from_keyring || kind == KIND_LOGIN || kind == KIND_LOGOUT ||
	       kind == KIND_INIT || kind == KIND_UNLOCK || kind == KIND_MOVE ||
	       kind == KIND_PROPOSE || kind == KIND_CHECK || kind == KIND_KEY ||
	       (is_act(request) && kind != KIND_PUBLISH);
}

static bool is_work(const struct request *request) {
	enum kind kind = request->kind;

	return kind == KIND_SEAL || kind == KIND_VERIFY || kind == KIND_PUBLISH ||
	       kind == KIND_AWAIT;
}

static uint64_t timeout_of(const struct ask *ask) {
	const struct conversation *conversation = ask->conversation;

	if (conversation->command->timeout_usec > 0)
		return conversation->command->timeout_usec;
	if (conversation->terminal.fd >= 0 || takes_long(ask->request))
		return PROMPT_TIMEOUT_USEC;
	return is_work(ask->request) ? WORK_TIMEOUT_USEC : TIMEOUT_USEC;
}

static bool conversation_start(struct ask *ask) {
	struct endpoint *endpoint = &ask->conversation->endpoint;
	int r = 0;

	if (!endpoint->name)
		r = endpoint_resolve(ask->conversation->command->socket, endpoint);
	return r == 0 || ask_fail(ask, REFUSAL_AGENT_UNREACHABLE, NULL, endpoint_advice(r));
}

bool conversation_ask(struct conversation *conversation, const struct request *request,
	bool may_lend, int fd, struct verb_answer *ret, struct conversation_failure *ret_failure) {
	struct ask ask = {.conversation = conversation, .request = request, .fd = fd};
	struct call_buffer buffer = {.limit = CALL_ANSWER_MAX};
	struct verb_answer answer = {0};
	bool is_answered;

	json_writer_init(&ask.line, false);
	is_answered = ask_write(&ask) && conversation_start(&ask);
	if (is_answered) {
		ask_lend(&ask, may_lend);
		if (fd >= 0) {
			/* Cannot fail on a pipe or a regular file. */
			(void) ioctl(fd, FIONREAD, &ask.n_left);
			ask.fds[ask.n_fds++] = fd;
		}
		ask.timeout_usec = timeout_of(&ask);
		is_answered = ask_run(&ask, &buffer) && ask_read(&ask, &buffer, &answer);
	}
	json_writer_done(&ask.line);
	free(buffer.bytes);
	if (!is_answered) {
		call_close(&conversation->call);
		*ret_failure = ask.failure;
		return false;
	}
	conversation->was_answered = true;
	conversation->has_lent = conversation->terminal.fd >= 0;
	answer.had_terminal = conversation->has_lent;
	*ret = answer;
	return true;
}
