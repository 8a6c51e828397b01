#include "net_task.h"

#include "agent/agent.h"
#include "agent/fields.h"
#include "protocol/cleanup.h"

int net_task_new(enum errand errand, const char *url, const char *ca_pem, const char *proxy,
	uint64_t timeout_usec, struct fields **ret) {
	_cleanup_(fields_freep) struct fields *task = NULL;
	int r = fields_new(&task);

	if (r == 0)
		r = fields_put_u64(task, FIELD_ERRAND, errand);
	if (r == 0)
		r = fields_put_string(task, FIELD_URL, url);
	if (r == 0)
		r = fields_put_string(task, FIELD_CA_PEM, ca_pem);
	if (r == 0)
		r = fields_put_string(task, FIELD_PROXY, proxy);
	if (r == 0)
		r = fields_put_u64(task, FIELD_TIMEOUT_MSEC, timeout_usec / USEC_PER_MSEC);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(task);
	return 0;
}
