#pragma once

/*
 * How far this machine's clock is from those of the registries. A signed token says when it
 * was made, and a registry takes none of another time. What a registry's answers tell is
 * kept against a clock that nobody sets (CLOCK_BOOTTIME), so that setting ours counts at once.
 */

#include <stdbool.h>
#include <stdint.h>

struct agent;

/* Beyond this a signature is made and the person is warned. */
#define CLOCK_WARNING_SEC 60
/* Beyond this none is made. */
#define CLOCK_WRONG_SEC 300
/* How long it is believed what a registry has told. */
#define CLOCK_TOLD_SEC 600
/* Of how many registries it is kept; then the one told longest ago goes. */
#define CLOCKS_MAX 32

struct clock_told {
	char *whose; /* NULL: this place is free */
	bool is_of_api;
	int64_t date;
	uint64_t told_usec; /* when, by agent_now_usec */
};

struct clocks {
	struct clock_told told[CLOCKS_MAX];
};

/*
 * A registry's answer says so, Unix time, zero where it does not. By canonical index URL and
 * account, since each has a way of its own to it (CA, proxy), and any program of the user can make
 * one of a way to nowhere; its credential for reads is the same account. `is_of_api`: the API
 * told, which looks at what is signed, and not an index, which may lie elsewhere.
 */
void clock_learn(struct agent *agent, const char *url, const char *account, uint64_t date,
	bool is_of_api);
/*
 * true and how many seconds the registry's clock is ahead of ours, below zero behind, and
 * whether the API told; false where nobody has told lately.
 */
bool clock_is_known(struct agent *agent, const char *url, const char *account, int64_t *ret_ahead,
	bool *ret_is_of_api);
void clocks_done(struct clocks *clocks);
