#include "clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"

static uint64_t age_sec(const struct agent *agent, const struct clock_told *told) {
	return (agent_now_usec(agent) - told->told_usec) / USEC_PER_SEC;
}

/* That of the registry, else a free one, else the one told longest ago. */
static struct clock_told *find_place(struct clocks *clocks, const char *url) {
	struct clock_told *place = &clocks->told[0];

	for (size_t i = 0; i < CLOCKS_MAX; i++) {
		struct clock_told *told = &clocks->told[i];

		if (told->url && strcmp(told->url, url) == 0)
			return told;
		if (place->url && (!told->url || told->told_usec < place->told_usec))
			place = told;
	}
	return place;
}

void clock_learn(struct agent *agent, const char *url, int64_t date) {
	struct clock_told *place = find_place(&agent->clocks, url);

	if (date <= 0)
		return;
	if (!place->url || strcmp(place->url, url) != 0) {
		free(place->url);
		/* Without memory for it nothing is known, as before. */
		*place = (struct clock_told){.url = strdup(url)};
	}
	place->date = date;
	place->told_usec = agent_now_usec(agent);
}

bool clock_is_known(struct agent *agent, const char *url, int64_t *ret_ahead) {
	const struct clock_told *told = find_place(&agent->clocks, url);

	if (!told->url || strcmp(told->url, url) != 0 || age_sec(agent, told) > CLOCK_TOLD_SEC)
		return false;
	*ret_ahead = told->date + (int64_t) age_sec(agent, told) - (int64_t) time(NULL);
	return true;
}

void clocks_done(struct clocks *clocks) {
	for (size_t i = 0; i < CLOCKS_MAX; i++)
		free(clocks->told[i].url);
	*clocks = (struct clocks){0};
}
