#pragma once

/* What a person sees before agreeing to a login. */

#include <stdbool.h>

struct pin;
struct session;

/* 0 and the text (caller frees), or -ENOMEM. */
int login_text(const struct session *session, const char *account, bool replaces,
	const struct pin *pin, char **ret);

/* 1 to 1024 bytes of printable ASCII. */
bool login_text_is_printable(const char *text);
