#include "complaint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int complaint_make(char **ret, const char *format, ...) {
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vasprintf(ret, format, arguments);
	va_end(arguments);
	if (r >= 0)
		return -EINVAL;
	*ret = NULL;
	return -ENOMEM;
}
