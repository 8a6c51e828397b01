#include "headers.h"

#include <errno.h>
#include <string.h>

#include "agent/work/frame.h"
#include "challenge.h"
#include "http_answer.h"
#include "http_date.h"
#include "protocol/names.h"
#include "task.h"
#include "words.h"

static int headers_put_date(const struct http_answer *http, struct fields *answer) {
	uint64_t date;

	if (!http->date || http_date_read(http->date, &date) < 0)
		return 0;
	return fields_put_u64(answer, FIELD_DATE, date);
}

/* Only where all headers came: another challenge may have been among the others. */
static int headers_put_challenge(
	const struct net_task *task, const struct http_answer *http, struct fields *answer) {
	_cleanup_(freep) char *claim = NULL;

	if (http->status != 401 || !http->has_head || !http->challenge)
		return 0;
	int r = challenge_claim(http->challenge, &claim);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!claim_is_valid(claim) || words_repeat(claim, strlen(claim), task->token))
		return 0;
	return fields_put_string(answer, FIELD_CHALLENGE, claim);
}

int headers_put(
	const struct net_task *task, const struct http_answer *http, struct fields *answer) {
	int r = headers_put_date(http, answer);
	return r < 0 ? r : headers_put_challenge(task, http, answer);
}
