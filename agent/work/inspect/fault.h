#pragma once

/*
 * Why a crate file is refused. A function that finds a fault sets it and returns
 * -EBADMSG, which travels up as any error does; the first one counts.
 */

#include "protocol/refusal.h"

struct fault {
	enum refusal refusal; /* REFUSAL_NONE: none was found */
	char *text;	      /* the rule in words, clean */
};

void fault_done(struct fault *fault);

/* The archive or the manifest is none that a registry takes. Returns -EBADMSG or -ENOMEM. */
int fault_invalid(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The manifest lacks what the registry requires. Returns -EBADMSG or -ENOMEM. */
int fault_incomplete(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
