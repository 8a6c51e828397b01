#include "expiry.h"

#define MINUTE 60
#define DAY (24 * 60 * MINUTE)

bool expiry_is_over(int64_t expires, int64_t now) {
	return expires > 0 && expires - MINUTE < now;
}

int expiry_warning_days(int64_t expires, int64_t now) {
	if (expires <= 0 || expires - now > (int64_t) EXPIRY_SOON_DAYS * DAY)
		return -1;
	return expires <= now ? 0 : (int) ((expires - now) / DAY);
}
