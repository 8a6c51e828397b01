#include "outcome.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "protocol/json.h"
#include "verb.h"

enum exit_code outcome_exit_code(const char *code, enum exit_code otherwise) {
	enum refusal refusal = code ? refusal_from_name(code) : _REFUSAL_INVALID;

	return refusal == _REFUSAL_INVALID || refusal == REFUSAL_NONE ? otherwise
								      : refusal_exit_code(refusal);
}

bool outcomes_add(struct outcomes *outcomes, const struct json *result) {
	const char *outcome = verb_text(result, "outcome");
	bool is_done = strcmp(outcome, "done") == 0;

	outcomes->n++;
	outcomes->n_done += is_done;
	if (!is_done && outcomes->code == EXIT_DONE)
		outcomes->code =
			strcmp(outcome, "refused") == 0
				? outcome_exit_code(
					  json_string(json_member(result, "code")), EXIT_FAILED)
				: EXIT_NETWORK;
	return is_done;
}

enum exit_code outcomes_exit_code(const struct outcomes *outcomes) {
	if (outcomes->n > 0 && outcomes->n_done == outcomes->n)
		return EXIT_DONE;
	if (outcomes->n_done > 0)
		return EXIT_PARTLY;
	return outcomes->code != EXIT_DONE ? outcomes->code : EXIT_FAILED;
}

static void say_when(int64_t retry_after) {
	int64_t seconds = retry_after - (int64_t) time(NULL);
	char when[PRINT_SHORT_SIZE], span[PRINT_SHORT_SIZE];

	if (seconds > 0)
		print_below("try again", "after %s, in %s", print_time(retry_after, when),
			print_duration(seconds, span));
	else
		print_below("try again", "after %s, so now", print_time(retry_after, when));
}

/* In the agent's words, or those that go with the refusal. */
static const char *message_of(const struct json *result) {
	const char *message = json_string(json_member(result, "message"));
	const char *code = json_string(json_member(result, "code"));
	enum refusal refusal = code ? refusal_from_name(code) : _REFUSAL_INVALID;

	if (message)
		return message;
	return refusal == _REFUSAL_INVALID ? "not done" : refusal_sentence(refusal);
}

void outcome_complain(const struct command *command, const struct json *result, const char *what) {
	const char *detail = json_string(json_member(result, "detail"));
	const char *hint = json_string(json_member(result, "hint"));
	int64_t retry_after = verb_number(result, "retry-after", 0);
	_cleanup_(freep) char *message = NULL;
	struct print print = command->print;

	/* The answer tells it as JSON. */
	print.is_json = false;
	if (asprintf(&message, "%s: %s", what, message_of(result)) < 0)
		message = NULL;
	print_error(&print, verb_text(result, "code"), message ? message : what, detail);
	if (hint)
		print_below("hint", "%s", hint);
	if (retry_after > 0)
		say_when(retry_after);
}
