#pragma once

/* What a person sees before agreeing to a login. */

#include <stdbool.h>

struct account;
struct login;
struct pin;
struct session;

/* 0 and the text (caller frees), or -ENOMEM. */
int login_text(const struct login *login, char **ret);
/* What an index told once it had the token. */
int login_text_opened(const struct login *login, char **ret);

/*
 * What a person sees before another origin is pinned: the old one and the new one.
 * Without a pin, before the index is asked: only which way.
 */
int login_text_trust(const struct session *session, const struct account *old,
	const struct pin *pin, char **ret);

/* 1 to 1024 bytes of printable ASCII, none of them a blank. */
bool login_text_is_printable(const char *text);
