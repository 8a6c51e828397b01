#pragma once

/* The question before the agent acts at a registry by itself: what all of them have in common. */

#include <stdio.h>

struct account;
struct session;

/* What is known of its token: that it will soon be over, and what the person has told of it. */
void act_text_token(FILE *out, const struct account *account);

/* The first lines: what it is, where, as whom, and what is known of the token while the store is open. */
void act_text_begin(FILE *out, const struct session *session, const char *act, const char *name);
/* Who claims to ask; the caller's own last line may follow. */
void act_text_end(FILE *out, const struct session *session);
