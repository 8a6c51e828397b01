#pragma once

/* What a person sees before a token leaves. */

#include <stdbool.h>

struct account;
struct history_answer;
struct session;

/*
 * `account` is NULL while the store is locked; `history` NULL where the index
 * was not asked. 0 and the text (caller frees), or -ENOMEM.
 */
int get_text(const struct session *session, const char *name, const struct account *account,
	const struct history_answer *history, char **ret);

/* For unlocking before a build. */
int get_text_unlock(const struct session *session, char **ret);
