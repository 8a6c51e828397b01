#include "when.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A century; more is a mistake. */
#define SPAN_MAX ((int64_t) 100 * 365 * 24 * 60 * 60)

static const struct {
	const char *name;
	int64_t seconds;
} units[] = {
	{"min", 60},
	{"h", 60 * 60},
	{"d", 24 * 60 * 60},
	{"w", 7 * 24 * 60 * 60},
	{"y", 365 * 24 * 60 * 60},
};

static int parse_span(const char *text, int64_t *ret) {
	size_t n_digits = strspn(text, "0123456789");
	int64_t count;

	if (n_digits == 0 || n_digits > 9)
		return -EINVAL;
	count = strtol(text, NULL, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + n_digits, units[i].name) != 0)
			continue;
		if (count == 0 || count > SPAN_MAX / units[i].seconds)
			return -ERANGE;
		*ret = count * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

static int parse_day(const char *text, int64_t *ret) {
	struct tm day = {0}, again;
	const char *end;
	time_t when;

	/* strptime(3) skips blanks. */
	if (strlen(text) != strlen("2027-02-20") || strspn(text, "0123456789") != 4 ||
		strspn(text + 5, "0123456789") != 2 || strspn(text + 8, "0123456789") != 2)
		return -EINVAL;
	end = strptime(text, "%Y-%m-%d", &day);
	if (!end || *end)
		return -EINVAL;
	again = day;
	when = timegm(&again);
	/* The 31st of February becomes a day in March. */
	if (when == (time_t) -1 || again.tm_mday != day.tm_mday)
		return -EINVAL;
	*ret = when;
	return 0;
}

int when_parse(const char *text, time_t now, int64_t *ret) {
	int64_t when;
	int r = parse_span(text, &when);

	if (r == 0)
		when += now;
	else if (r == -EINVAL)
		r = parse_day(text, &when);
	if (r < 0)
		return r;
	if (when <= now)
		return -ERANGE;
	*ret = when;
	return 0;
}
