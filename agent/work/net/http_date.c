#include "http_date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define MINUTE_SEC 60u
#define HOUR_SEC (60u * MINUTE_SEC)
#define DAY_SEC (24u * HOUR_SEC)
#define AHEAD_MAX_SEC (366u * DAY_SEC)
#define PAST_MAX_SEC DAY_SEC

static const char shape[] = "aaa, 00 aaa 0000 00:00:00 GMT";
static const char weekdays[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

static bool text_has_shape(const char *text) {
	if (strlen(text) != strlen(shape))
		return false;
	for (size_t i = 0; shape[i]; i++) {
		if (shape[i] == '0' ? !is_digit(text[i]) : shape[i] != 'a' && shape[i] != text[i])
			return false;
	}
	return true;
}

/* Which of the names, each three letters, stands there; -1 for none. */
static int name_index(const char *names, const char *text) {
	for (int i = 0; names[3 * i]; i++) {
		if (strncmp(names + 3 * i, text, 3) == 0)
			return i;
	}
	return -1;
}

static unsigned number(const char *text, size_t size) {
	unsigned n = 0;

	for (size_t i = 0; i < size; i++)
		n = 10 * n + (unsigned) (text[i] - '0');
	return n;
}

static bool year_is_leap(unsigned year) {
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(unsigned month, unsigned year) {
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month] + (month == 1 && year_is_leap(year));
}

/* Since 1970; the month counts from 0. */
static uint64_t days_before(unsigned day, unsigned month, unsigned year) {
	uint64_t days = day - 1;

	for (unsigned y = 1970; y < year; y++)
		days += year_is_leap(y) ? 366 : 365;
	for (unsigned m = 0; m < month; m++)
		days += month_days(m, year);
	return days;
}

int http_date_read(const char *text, uint64_t *ret) {
	if (!text_has_shape(text) || name_index(weekdays, text) < 0)
		return -EINVAL;

	int month = name_index(months, text + 8);
	unsigned day = number(text + 5, 2), year = number(text + 12, 4);
	unsigned hour = number(text + 17, 2), minute = number(text + 20, 2);
	unsigned second = number(text + 23, 2); /* 60 in a leap second */
	if (month < 0 || year < 1970 || day < 1 || day > month_days((unsigned) month, year))
		return -EINVAL;
	if (hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	*ret = days_before(day, (unsigned) month, year) * DAY_SEC + hour * HOUR_SEC +
	       minute * MINUTE_SEC + second;
	return 0;
}

/* Seconds, in up to eight digits. */
static int seconds_read(const char *text, uint64_t *ret) {
	size_t size = strlen(text);

	if (size == 0 || size > 8 || strspn(text, "0123456789") != size)
		return -EINVAL;
	*ret = number(text, size);
	return 0;
}

int http_age_read(const char *text, uint64_t *ret) {
	return seconds_read(text, ret);
}

int http_retry_after_read(const char *text, uint64_t now, uint64_t *ret) {
	uint64_t time = 0, seconds;

	if (seconds_read(text, &seconds) == 0)
		time = now + seconds;
	else if (http_date_read(text, &time) < 0)
		return -EINVAL;
	if (time > now + AHEAD_MAX_SEC || time + PAST_MAX_SEC < now)
		return -EINVAL;
	*ret = time;
	return 0;
}
