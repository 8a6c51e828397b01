#include "fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "agent/work/inspect/lines.h"

void fault_done(struct fault *fault) {
	free(fault->text);
	*fault = (struct fault){0};
}

static int __attribute__((format(printf, 3, 0)))
fault_set(struct fault *fault, enum refusal refusal, const char *format, va_list arguments) {
	if (fault->refusal != REFUSAL_NONE)
		return -EBADMSG;
	int r = line_format(&fault->text, format, arguments);
	if (r < 0)
		return r;
	fault->refusal = refusal;
	return -EBADMSG;
}

int fault_invalid(struct fault *fault, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	int r = fault_set(fault, REFUSAL_CRATE_INVALID, format, arguments);
	va_end(arguments);
	return r;
}

int fault_incomplete(struct fault *fault, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	int r = fault_set(fault, REFUSAL_CRATE_INCOMPLETE, format, arguments);
	va_end(arguments);
	return r;
}
