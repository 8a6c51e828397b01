#pragma once

/* Words of a stranger's server, before anybody sees them. */

#include <stdbool.h>
#include <stddef.h>

struct secret;

/* Longest text of a server that is handed on. */
#define WORDS_MAX 200u

/* A copy, cut to WORDS_MAX, in printable ASCII. NULL if there is nothing to say, or no memory. */
char *words_clean(const char *text, size_t size);

/* The same, cut to `size_max`, and with a blank for each line end or TAB. */
char *words_clean_text(const char *text, size_t size, size_t size_max);

/*
 * Whether the text repeats the token or a piece of it that is long enough to
 * matter. NULL is no token; one of a few bytes is found in any text, and is no secret.
 */
bool words_repeat(const void *text, size_t size, const struct secret *token);

/* As words_clean_text; NULL also for what repeats the token, all of it. */
char *words_tell(const char *text, size_t size, size_t size_max, const struct secret *token);
