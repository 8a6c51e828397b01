#include "headers.h"

#include <errno.h>
#include <string.h>

#include "agent/work/frame.h"
#include "http_answer.h"
#include "http_date.h"
#include "protocol/challenge.h"
#include "protocol/names.h"
#include "task.h"
#include "words.h"

/*
 * Of an answer out of a cache, as a CDN gives for an index, the date is that at which the origin
 * made it, and `Age` says how long ago that was (RFC 9111, section 5.1).
 */
static int headers_put_date(const struct http_answer *http, struct fields *answer) {
	uint64_t date, age = 0;

	if (!http->date || http_date_read(http->date, &date) < 0)
		return 0;
	/* One that cannot be read says that it is old, and not how old. */
	if (http->age && http_age_read(http->age, &age) < 0)
		return 0;
	return fields_put_u64(answer, FIELD_DATE, date + age);
}

/* Only where all headers came: another challenge may have been among the others. */
static int headers_put_challenge(
	const struct net_task *task, const struct http_answer *http, struct fields *answer) {
	_cleanup_(freep) char *claim = NULL;

	if ((http->status != 401 && http->status != 403) || !http->has_head || !http->challenge)
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
