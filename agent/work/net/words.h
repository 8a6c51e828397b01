#pragma once

/* Words of a stranger's server, before anybody sees them. */

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* Longest text of a server that is handed on, if it comes in no known form. */
#define WORDS_MAX 200u

/*
 * Whether the text repeats the token or a piece of it that is long enough to
 * matter. NULL is no token; one of a few bytes is found in any text, and is no secret.
 */
bool words_repeat(const void *text, size_t size, const struct secret *token);

/*
 * A copy, cut to `size_max`, in printable ASCII, with a blank for each line end or TAB.
 * NULL if there is nothing to say, or no memory; also for what repeats the token, as it
 * came, as it is shown, or with what is not shown left out: then all of it.
 */
char *words_tell(const char *text, size_t size, size_t size_max, const struct secret *token);
