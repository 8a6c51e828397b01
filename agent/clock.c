#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "protocol/cleanup.h"

/* The last second of the year 9999: a Date has no later one (RFC 9110, section 5.6.7). */
#define DATE_MAX UINT64_C(253402300799)

static uint64_t age_sec(const struct agent *agent, const struct clock_told *told) {
	return (agent_now_usec(agent) - told->told_usec) / USEC_PER_SEC;
}

/* Caller frees; NULL without memory. */
static char *name_whose(const char *url, const char *account) {
	char *whose;

	return asprintf(&whose, "%s %.*s", url, (int) strcspn(account, "/"), account) < 0
		       ? NULL
		       : whose;
}

/* That of this name, else a free one, else the one told longest ago. */
static struct clock_told *find_place(struct clocks *clocks, const char *whose) {
	struct clock_told *place = &clocks->told[0];

	for (size_t i = 0; i < CLOCKS_MAX; i++) {
		struct clock_told *told = &clocks->told[i];

		if (told->whose && strcmp(told->whose, whose) == 0)
			return told;
		if (place->whose && (!told->whose || told->told_usec < place->told_usec))
			place = told;
	}
	return place;
}

void clock_learn(struct agent *agent, const char *url, const char *account, uint64_t date,
	bool is_of_api) {
	_cleanup_(freep) char *whose = name_whose(url, account);
	struct clock_told *place;

	/* Without memory for it nothing is known, as before. */
	if (!whose || date == 0 || date > DATE_MAX)
		return;
	place = find_place(&agent->clocks, whose);
	free(place->whose);
	*place = (struct clock_told){
		.whose = TAKE_PTR(whose),
		.is_of_api = is_of_api,
		.date = (int64_t) date,
		.told_usec = agent_now_usec(agent),
	};
}

bool clock_is_known(struct agent *agent, const char *url, const char *account, int64_t *ret_ahead,
	bool *ret_is_of_api) {
	_cleanup_(freep) char *whose = name_whose(url, account);
	const struct clock_told *told = whose ? find_place(&agent->clocks, whose) : NULL;

	if (!told || !told->whose || strcmp(told->whose, whose) != 0 ||
		age_sec(agent, told) > CLOCK_TOLD_SEC)
		return false;
	*ret_ahead = told->date + (int64_t) age_sec(agent, told) - (int64_t) time(NULL);
	*ret_is_of_api = told->is_of_api;
	return true;
}

void clocks_done(struct clocks *clocks) {
	for (size_t i = 0; i < CLOCKS_MAX; i++)
		free(clocks->told[i].whose);
	*clocks = (struct clocks){0};
}
