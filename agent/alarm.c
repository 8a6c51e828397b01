#include "alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/prompt.h"
#include "protocol/cleanup.h"
#include "protocol/json.h"

static void alarms_add(struct alarms *alarms, enum refusal refusal, char *text) {
	if (alarms->n == ALARMS_MAX) {
		free(alarms->list[0].text);
		memmove(alarms->list, alarms->list + 1, (ALARMS_MAX - 1) * sizeof(alarms->list[0]));
		alarms->n--;
	}
	alarms->list[alarms->n++] = (struct alarm){(int64_t) time(NULL), refusal, text};
}

void alarm_raise(struct agent *agent, int terminal, enum refusal refusal, const char *url,
	const char *crate, const char *version) {
	_cleanup_(freep) char *shown = NULL;
	char *text;

	log_warning("alarm '%s' for '%s' '%s' at '%s'", refusal_name(refusal), crate, version, url);
	if (asprintf(&text, "%s %s at %s: %s", crate, version, url, refusal_sentence(refusal)) < 0)
		return;
	if (terminal >= 0 && asprintf(&shown, "cpub-agent: ALARM: %s\n", text) >= 0)
		prompt_say(agent, terminal, shown);
	alarms_add(&agent->alarms, refusal, text);
}

void alarms_write(const struct alarms *alarms, struct json_writer *writer) {
	json_write_array(writer, "alarms");
	for (size_t i = 0; i < alarms->n; i++) {
		json_write_object(writer, NULL);
		json_write_integer(writer, "time", alarms->list[i].when);
		json_write_string(writer, "code", refusal_name(alarms->list[i].refusal));
		json_write_string(writer, "text", alarms->list[i].text);
		json_write_object_end(writer);
	}
	json_write_array_end(writer);
}

void alarms_done(struct alarms *alarms) {
	for (size_t i = 0; i < alarms->n; i++)
		free(alarms->list[i].text);
	alarms->n = 0;
}
