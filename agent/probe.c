#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "agent/net_task.h"

#define TIMEOUT_USEC (15 * USEC_PER_SEC)
#define MARGIN_USEC (2 * USEC_PER_SEC)

struct probe {
	struct job *job;
	probe_done_t done;
	void *userdata;
};

static void probe_answered(
	enum refusal refusal, const char *detail, const struct fields *answer, void *userdata) {
	_cleanup_(freep) char *words = NULL;
	struct probe *probe = userdata;
	uint64_t verdict = VERDICT_UNKNOWN;

	if (refusal == REFUSAL_WORKER_TIMEOUT)
		refusal = REFUSAL_NETWORK_TIMEOUT;
	if (refusal == REFUSAL_NONE) {
		(void) fields_get_string(answer, FIELD_DETAIL, &words); /* Mostly absent. */
		if (fields_get_u64(answer, FIELD_VERDICT, &verdict) < 0 || verdict >= _VERDICT_MAX)
			refusal = REFUSAL_WORKER_FAILED;
		detail = words;
	}
	probe->done(refusal, refusal == REFUSAL_NONE ? (enum verdict) verdict : VERDICT_UNKNOWN, detail,
		probe->userdata);
}

int probe_new(struct agent *agent, const char *api, const char *ca_pem, const char *proxy,
	const struct secret *token, probe_done_t done, void *userdata, struct probe **ret) {
	_cleanup_(probe_freep) struct probe *probe = NULL;
	_cleanup_(fields_freep) struct fields *task = NULL;
	_cleanup_(freep) char *url = NULL;
	int r;

	if (asprintf(&url, "%s/api/v1/me", api) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	probe = calloc(1, sizeof(*probe));
	if (!probe)
		return -ENOMEM;
	probe->done = done;
	probe->userdata = userdata;
	r = net_task_new(ERRAND_PROBE, url, ca_pem, proxy, TIMEOUT_USEC, &task);
	if (r == 0)
		r = fields_put_secret(task, FIELD_TOKEN, token);
	if (r == 0)
		r = job_new(agent, WORKER_NET, TAKE_PTR(task), NULL, 0, TIMEOUT_USEC + MARGIN_USEC,
			probe_answered, probe, &probe->job);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(probe);
	return 0;
}

struct probe *probe_free(struct probe *probe) {
	if (!probe)
		return NULL;
	job_free(probe->job);
	free(probe);
	return NULL;
}
